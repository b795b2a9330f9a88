"""HTTP/1.1 to one server over connections that stay open: what a proxy needs of a client, and nothing else.

It is here because of the millisecond that the proxy may add: httpx takes that for itself, httpcore half of it, this a
tenth. The parser is httptools, which uvicorn stands on; certificates are httpx's.
"""

import asyncio
import ssl
import weakref
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Any, cast

import httptools
import httpx

CONNECTIONS = 200  # answers that may come in at the same time
CONNECT_S, READ_S, POOL_S = 10.0, 600.0, 10.0
KEPT_S = 50.0  # an idle connection; most servers end theirs after a minute
BUFFER = 1_000_000  # bytes that wait to be read before the other side is asked to wait
Headers = list[tuple[bytes, bytes]]


class Broken(Exception):
    """The connection or what came over it is no good; `early` when it ended before anything came."""

    def __init__(self, said: str, *, early: bool = False) -> None:
        super().__init__(said)
        self.early = early


class Crowded(Exception):
    """Every connection is in use."""


class Line(asyncio.Protocol):
    """One connection. One request at a time: `ask`, `head`, then `read` until it gives b"".

    One timer watches over its whole life; one for each wait would cost as much as reading what comes.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.open = False
        self.idle_since = 0.0
        self.lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()  # or asked
        self._watch: asyncio.TimerHandle
        self.begin()

    def begin(self) -> None:
        """Makes ready for the next request, before there is one: its client would wait for this too."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: Headers = []
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._asked = self._headed = self._complete = self._started = False
        self.reusable = False  # until this answer was read to its end: what is left of it must reach nobody else
        self._error: str | None = None
        self._word: asyncio.Future[None] | None = None

    def ask(self, request: bytes) -> None:
        """Sends a request."""
        self._asked = True
        self._heard_at = self._loop.time()
        self.transport.write(request)

    async def head(self) -> None:
        """Returns when `status` and `headers` are there. Broken."""
        while not self._headed:
            await self._news()

    async def read(self) -> bytes:
        """What came of the body since; b"" when it is whole. Broken."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._news()
        content = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
        self._pieces.clear()
        if self._waiting > BUFFER and self.open:
            self.transport.resume_reading()
        self._waiting = 0
        return content

    def close(self) -> None:
        """Ends the connection at once."""
        self.open = self.reusable = False
        self.transport.abort()

    def _news(self) -> "asyncio.Future[None]":
        """Done at the next word. Broken when there will be none."""
        if self._error is not None:
            raise Broken(self._error, early=not (self._started or self.open))
        self._word = self._loop.create_future()
        return self._word

    def _silent(self) -> None:
        """It may be that nothing came for too long."""
        left = self._heard_at + READ_S - self._loop.time()
        if left <= 0 and self._word is not None and not self._word.done():
            self._error = f"nothing came for {READ_S:g} s"
            self._wake()
        self._watch = self._loop.call_later(left if left > 0 else READ_S, self._silent)

    def _wake(self) -> None:
        if self._word is not None and not self._word.done():
            self._word.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self.transport, self.open = cast(asyncio.Transport, transport), True  # uvloop's has no such base
        self._watch = self._loop.call_later(READ_S, self._silent)

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        self._started = True
        self._heard_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._error = f"what it sent is not HTTP: {error.__context__ or error}"
            self.close()
        if self._waiting > BUFFER and self.open:
            self.transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self._watch.cancel()
        self.open = self.reusable = False
        names = {name.lower() for name, _ in self.headers}
        if self._headed and exc is None and not names & {b"content-length", b"transfer-encoding"}:
            self._complete = True  # such a body ends with its connection
        if not self._complete:
            self._error = self._error or str(exc or "the connection ended")
        self.lost.set()
        self._wake()

    def on_message_begin(self) -> None:
        """httptools's. What nobody asked for ends the connection: it must not be taken for the next one's answer."""
        if self._complete or not self._asked:
            raise Broken("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools's."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """httptools's."""
        self.status = self._parser.get_status_code()
        if self.status > 599:
            raise Broken(f"status {self.status}")
        self._headed = self.status >= 200

    def on_body(self, body: bytes) -> None:
        """httptools's."""
        self._pieces.append(body)
        self._waiting += len(body)

    def on_message_complete(self) -> None:
        """httptools's."""
        if self._headed:
            self._complete = True
            self.reusable = self._parser.should_keep_alive()
        else:
            self.headers = []  # 100 Continue and its like


class Lines:
    """The connections to one host and port."""

    def __init__(self, host: str, port: int, *, secure: bool) -> None:
        self._host, self._port, self._secure = host, port, secure
        self._context: ssl.SSLContext | None = None
        self._idle: deque[Line] = deque()
        self._all: weakref.WeakSet[Line] = weakref.WeakSet()
        self._room = asyncio.Semaphore(CONNECTIONS)

    def ask(self, request: bytes) -> Line | None:
        """An open connection that the request is on its way on, where there is one; `head` takes it from here."""
        if self._room.locked() or (line := self._kept()) is None:
            return None
        with suppress(StopIteration):
            self._room.acquire().send(None)  # where there is room, this ends without a wait
        line.ask(request)
        return line

    async def head(self, request: bytes, asked: Line | None) -> Line:
        """A connection with the head of its answer; give it back with `done`. Broken, Crowded, OSError."""
        line = asked
        if line is None:
            try:
                async with asyncio.timeout(POOL_S):
                    await self._room.acquire()
            except TimeoutError as error:
                raise Crowded from error
        try:
            while line is not None or (line := self._again(request)) is not None:
                try:
                    await line.head()
                    return line
                except Broken as error:
                    if not error.early:  # the server ended an idle connection as we took it: another one then
                        raise
                    line.close()
                    line = None
            line = await self._connected()
            line.ask(request)
            await line.head()
            return line
        except BaseException:
            if line is not None:
                line.close()
            self._room.release()
            raise

    def done(self, line: Line) -> None:
        """The answer was read, or is not wanted: without having been read to its end, the connection goes."""
        if line.reusable and line.open and line.status:
            line.begin()
            line.idle_since = monotonic()
            self._idle.append(line)
        else:
            line.close()
        self._room.release()

    async def close(self) -> None:
        """Ends all of them."""
        for line in list(self._all):
            line.close()
            await line.lost.wait()

    def _again(self, request: bytes) -> Line | None:
        line = self._kept()
        if line is not None:
            line.ask(request)
        return line

    def _kept(self) -> Line | None:
        oldest = monotonic() - KEPT_S
        while self._idle:
            line = self._idle.pop()
            if line.open and line.idle_since > oldest:
                return line
            line.close()
        return None

    async def _connected(self) -> Line:
        if self._secure and self._context is None:
            self._context = await asyncio.to_thread(httpx.create_ssl_context)
        async with asyncio.timeout(CONNECT_S):
            _, line = await asyncio.get_running_loop().create_connection(
                Line, self._host, self._port, ssl=self._context, server_hostname=self._host if self._secure else None
            )
        self._all.add(line)
        return line
