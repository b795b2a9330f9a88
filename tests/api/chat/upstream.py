"""A small server that speaks OpenAI's protocol as a model's does, and misbehaves when told to."""

import asyncio
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any


class Gate:
    """A place in an answer where the server waits until the test opens it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()


@dataclass
class Reply:
    """One answer: `parts` are bytes to send, gates to wait at, or None to break the connection. Status 0: no head.

    `later`: bytes that follow the answer on the idle connection, a moment after; `over` is set when they are sent.
    """

    parts: list[bytes | Gate | None]
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    later: bytes = b""
    over: threading.Event = field(default_factory=threading.Event)


@dataclass
class Asked:
    """A request as it arrived; `gone` is set when its connection ended before the answer did."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    gone: threading.Event = field(default_factory=threading.Event)


def chunk(text: str | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    """One server-sent event with a piece of an answer."""
    delta = more.pop("delta", {} if text is None else {"content": text})
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    said = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice], **more}
    return b"data: " + json.dumps(said).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def stream(*texts: str, finish: str = "stop") -> Reply:
    """An answer in pieces."""
    return Reply([*(chunk(text) for text in texts), chunk(finish=finish), DONE])


def completion(*texts: str, finish: str = "stop", **more: Any) -> Reply:
    """An answer in one piece, with as many choices as there are texts; `more` stands in each."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": finish, **more}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    said = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m-1", "choices": choices, "usage": usage}
    return Reply([json.dumps(said).encode()], headers={"content-type": "application/json"})


class Upstream:
    """Answers each request with the next of `replies`; without one, with "Hello there."."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.asked: list[Asked] = []
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Serve no more; twice is once."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._talks: set[asyncio.Task[Any]] = set()
        self._started.set()
        await self._over.wait()
        server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk
        self._talks.add(talk)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = Asked(method, path, headers, json.loads(content) if content else None)
        self.asked.append(asked)
        if self.replies:
            reply = self.replies.popleft()
        else:
            streamed = isinstance(asked.body, dict) and asked.body.get("stream")
            reply = stream("Hello", " there.") if streamed else completion("Hello there.")
        try:
            return await self._said(asked, reply, reader, writer)
        except ConnectionError:
            asked.gone.set()
            raise

    async def _said(
        self, asked: Asked, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in reply.headers.items())]
        if reply.status:
            writer.write("\r\n".join([*head, "transfer-encoding: chunked", "", ""]).encode())
        for part in reply.parts:
            if part is None:
                writer.transport.abort()
                return False
            if isinstance(part, Gate):
                part.reached.set()
                if not await self._opened(part, reader):
                    asked.gone.set()
                    return False
                continue
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        if reply.later:
            await asyncio.sleep(0.1)
            writer.write(reply.later)
            await writer.drain()
            reply.over.set()
        return True

    async def _opened(self, gate: Gate, reader: asyncio.StreamReader) -> bool:
        """Whether the gate was opened before the client went away."""
        waiting = asyncio.ensure_future(asyncio.to_thread(gate.opened.wait, 300))
        going = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({waiting, going}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.done()
        finally:
            gate.opened.set()  # the thread that waits for it keeps the server from ending
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
