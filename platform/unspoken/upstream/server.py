"""The local model over HTTP, as OpenAI's clients and our own proxy speak it. Listens on this machine alone.

SLOTS answers are written at once and WAITING wait for their turn; whoever comes then is told that it is busy, at once.
"""

import asyncio
import hmac
import json
import socket
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import time
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from unspoken.errors import BadInput, NotSignedIn, TooLarge, Unavailable, UnspokenError
from unspoken.upstream.model import NAME, SLOTS, Model

WAITING = 8
MOST_BYTES = 6_000_000  # of a request: as much as the proxy passes on
PATH = "/v1/chat/completions"
Chunks = AsyncGenerator[dict[str, Any], None]


class Answering:
    """One answer that is being written in a thread, as chunks for the event loop. Closing it stops the writing."""

    def __init__(self, model: Model, asked: dict[str, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()
        self._gone = threading.Event()
        self._thread = self._loop.run_in_executor(None, self._write, model, asked)

    async def chunks(self) -> Chunks:
        """Each chunk; raises what the model raised."""
        try:
            while (said := await self._queue.get()) is not None:
                if isinstance(said, BaseException):
                    raise said
                yield said
        finally:
            self._gone.set()
            await asyncio.shield(self._thread)  # its slot is free only now

    def _write(self, model: Model, asked: dict[str, Any]) -> None:
        try:
            if not self._gone.is_set():
                model.answer(asked, self._say)
            self._put(None)
        except Exception as error:
            self._put(error)

    def _say(self, chunk: dict[str, Any]) -> bool:
        self._put(chunk)
        return self._gone.is_set()

    def _put(self, said: dict[str, Any] | BaseException | None) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, said)


class Desk:
    """Who is answered now, and who waits."""

    def __init__(self, model: Model, slots: int = SLOTS, waiting: int = WAITING) -> None:
        self._model = model
        self._slots, self._most = asyncio.Semaphore(slots), slots + waiting
        self._here = 0

    async def answer(self, asked: dict[str, Any]) -> Chunks:
        """The chunks of an answer, once it is its turn. Unavailable when too many wait already."""
        if self._here >= self._most:
            raise Unavailable(
                f"The local model is busy: {self._here} answers are being written or wait. Try again in a moment.", 5
            )
        self._here += 1
        try:
            async with self._slots, aclosing(Answering(self._model, asked).chunks()) as coming:
                async for chunk in coming:
                    yield chunk
        finally:
            self._here -= 1


def create_app(model: Model, key: str, *, waiting: int = WAITING) -> Starlette:
    """The server before a model; with a key, only for those who send it."""
    desk = Desk(model, waiting=waiting)

    async def complete(request: Request) -> Response:
        _allowed(request, key)
        asked = await _body(request)
        coming = desk.answer(asked)
        try:
            first = await anext(coming)  # what is wrong shows before it, and then is a status and not a broken stream
        except BaseException:
            await coming.aclose()
            raise
        if not asked.get("stream"):
            return JSONResponse(await _whole(first, coming))
        return StreamingResponse(_events(first, coming), media_type="text/event-stream")

    async def models(request: Request) -> Response:
        _allowed(request, key)
        return JSONResponse({"object": "list", "data": [{"id": NAME, "object": "model", "owned_by": "this machine"}]})

    routes = [Route(PATH, complete, methods=["POST"]), Route("/v1/models", models)]
    return Starlette(routes=routes, exception_handlers={UnspokenError: _refused, ClientDisconnect: _refused})


def run(model: Model, key: str, door: socket.socket) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        create_app(model, key),
        log_config=None,
        access_log=False,
        ws="none",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[door])


def _allowed(request: Request, key: str) -> None:
    # Any page that a browser on this machine shows may send requests to its ports: without the key they cost nothing.
    said = request.headers.get("authorization", "")
    if key and not hmac.compare_digest(said.encode("latin-1"), f"Bearer {key}".encode()):
        raise NotSignedIn("The local model answers the server that started it; its key is UNSPOKEN_UPSTREAM_KEY.")


async def _body(request: Request) -> dict[str, Any]:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise TooLarge(f"A request may hold {MOST_BYTES} bytes.")
    try:
        asked = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadInput("The body is not JSON.") from error
    if not isinstance(asked, dict):
        raise BadInput("A chat request is a JSON object with `messages`.")
    if asked.get("n") not in (None, 1):
        raise BadInput("The local model gives one answer to a request; send the same request again for another.")
    return asked


async def _events(first: dict[str, Any], coming: Chunks) -> AsyncGenerator[bytes, None]:
    async with aclosing(coming):
        yield _event(first)
        async for chunk in coming:
            yield _event(chunk)
        yield b"data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


async def _whole(first: dict[str, Any], coming: Chunks) -> dict[str, Any]:
    """All chunks as one completion."""
    chunks = [first, *[chunk async for chunk in coming]]
    parts = [part for chunk in chunks for part in chunk.get("choices", [])]
    text = "".join(part.get("delta", {}).get("content") or "" for part in parts)
    finish = next((part["finish_reason"] for part in reversed(parts) if part.get("finish_reason")), None)
    message = {"role": "assistant", "content": text}
    return {
        "id": first.get("id", ""),
        "object": "chat.completion",
        "created": int(time()),
        "model": NAME,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, UnspokenError):  # whoever asked has gone
        return Response(status_code=400)
    said = {"error": {"message": error.detail, "type": error.slug, "param": None, "code": None}}
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Unavailable) else None
    return JSONResponse(said, error.status, headers)
