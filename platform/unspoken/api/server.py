"""uvicorn as this platform runs it: on uvloop and httptools, with bounds on what a slow or hostile peer can hold."""

import json
import resource
import socket
import sys
from asyncio import TimerHandle, Transport
from collections.abc import Mapping
from typing import Any, cast

import httptools
import uvicorn
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from unspoken.api.exchange import Direct, Exchange, Stream
from unspoken.api.problems import problem_type
from unspoken.settings import settings

HEADER_BYTES = 65_536  # of the first line and the headers together, and of the trailers; llhttp itself knows no bound
CHUNK_BYTES = 16  # of a chunk's size and its line ends
IDLE_S = 30.0  # a connection without a request is closed after so long
MOST_CONNECTIONS = 10_000
SPARE_FILES = 100  # of those that the process may open: the database's, the log's
STOP_S = 5  # told to end, the server has this long to answer what it has


class Cycle(RequestResponseCycle):
    """A request and its answer, which ends with its connection: uvicorn tells the last request that came, which may
    wait behind this one."""

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's own, which does everything else."""
        if self.transport.is_closing():
            self.disconnected = True
        await super().send(message)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with deadlines for the headers and the body, a bound on the headers, and one on connections.

    Each deadline is the setting body_timeout_s: from the connection or the request's first byte to the end of the
    headers, and from there to the end of the body. Bytes that drip in between do not put it off.

    Who would rather speak another protocol (`Upgrade`) is served in this one, as RFC 9110 has it: llhttp takes what
    follows such headers for the other protocol, so they are read again without that wish.

    A request that comes in one piece, as nearly all do, sets no timer beyond the connection's first. If it is one for
    `direct`, which may decline it, it gets no task either: see api/exchange.py.
    """

    most = MOST_CONNECTIONS
    direct: Mapping[bytes, Direct] = {}  # by path
    _taker: Direct | None = None
    _whole: bytearray | None = None  # the body of a request for `direct`, while it comes
    _dates: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")
    _timer: TimerHandle | None = None
    _reading = "headers"  # what is awaited: headers, body, or nothing; "again" when the headers held another wish
    _header_bytes = 0
    _beside = 0  # bytes that came with a body and are none of it
    _data = b""
    _again: bytes | None = None
    _running: RequestResponseCycle | None = None  # `cycle` is the last to come, which may wait behind this one

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Refuse one too many; those that are there go on."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(503, "unavailable", "Not available now", "Too many connections are open; try again shortly.")
            return
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._cancel_timer()
        if self._running is not None and self._running.response_started:  # else it may still be read, and stored
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take it, then see what is still awaited."""
        before = self._reading
        if before == "headers":
            self._header_bytes += len(data)
        elif before == "body":
            self._beside += len(data)
        self._data = data
        super().data_received(data)
        while self._again is not None:
            self._data, self._again = self._again, None
            super().data_received(self._data)
        if self._whole is not None:  # it does not come in one piece
            self._go_by_task()
        if self._reading == "headers" and self._header_bytes > HEADER_BYTES:
            self._refuse(431, "too-large", "Too large", f"The headers of a request may hold {HEADER_BYTES} bytes.")
        elif self._reading == "body" and self._beside > HEADER_BYTES:
            self._refuse(431, "too-large", "Too large", f"The trailers of a request may hold {HEADER_BYTES} bytes.")
        elif self._reading == "nothing" == before and self.cycle.response_complete:
            self._reading = "headers"  # empty lines before the next request: they must not keep the connection
            self._set_timer()
        elif self._reading != "nothing" and (self._reading != before or self._timer is None):
            self._set_timer()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._reading, self._header_bytes = "headers", max(1, self._header_bytes)

    def on_headers_complete(self) -> None:
        """Its body is awaited."""
        if self.parser.should_upgrade():
            self._reading = "again"
            return
        self._reading, self._header_bytes, self._beside = "body", 0, 0
        self._taker = self.direct.get(self.url)
        if self._taker is not None and self._may_be_direct():
            self._whole = bytearray()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of it."""
        self._beside = max(0, self._beside - len(body) - CHUNK_BYTES)
        if self._whole is not None:
            self._whole += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._reading == "again":
            return
        if self._whole is None or not self._went_direct(bytes(self._whole)):
            super().on_message_complete()
        self._reading = "nothing"
        self._cancel_timer()

    def running(self, stream: Stream) -> None:
        """What is being answered now: what comes next may wait behind it."""
        self._running = cast(RequestResponseCycle, stream)

    def date(self) -> bytes:
        """The headers that uvicorn adds to every answer, which change once a second."""
        headers = self.server_state.default_headers
        if Protocol._dates[0] is not headers:
            Protocol._dates = (headers, b"".join(b"%s: %s\r\n" % header for header in headers))
        return Protocol._dates[1]

    def _may_be_direct(self) -> bool:
        """Whether the request whose headers are complete is the only one, and asks for nothing but its answer."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return (
            (cycle is None or cycle.response_complete)
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not (self.expect_100_continue or self.flow.write_paused)
        )

    def _went_direct(self, body: bytes) -> bool:
        assert self._taker is not None
        before, exchange = self.cycle, Exchange(self)
        self.cycle, self._running = cast(RequestResponseCycle, exchange), None  # it has what uvicorn asks one for
        if self._taker.take(self.headers, body, exchange):
            self._whole = None
            return True
        self.cycle = before
        self._go_by_task()
        return False

    def _go_by_task(self) -> None:
        """The usual way, with what has come of the body."""
        body, self._whole = self._whole, None
        super().on_headers_complete()
        if body:
            super().on_body(bytes(body))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        cycle.__class__ = Cycle  # uvicorn makes it, and asks nobody of which class
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _unsupported_upgrade_warning(self) -> None:
        """Called where llhttp stopped, with its exception in hand: read the headers again, and what follows them."""
        stopped = sys.exception()
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        self._reading = "headers"
        if method == b"CONNECT" or stopped is None:
            self._refuse(405, "method-not-allowed", "Method Not Allowed", "This server is no proxy.")
            return
        head = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                kept = [each for each in value.split(b",") if each.strip().lower() not in (b"upgrade", b"")]
                head.append(b"connection:" + b",".join(kept))
            elif name != b"upgrade":
                head.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._again = b"\r\n".join([*head, b"", self._data[stopped.args[0] :]])

    def _set_timer(self) -> None:
        self._cancel_timer()
        self._timer = self.loop.call_later(settings().body_timeout_s, self._late)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # it is we who do not read
            self._set_timer()
        elif self._reading == "headers" and not self._header_bytes:
            self.transport.close()  # opened in advance and never used, as browsers do: nothing to complain of
        else:
            late = f"The {self._reading} of the request did not come within {settings().body_timeout_s:g} s."
            self._refuse(408, "too-slow", "Too slow", f"{late} Send it again.")

    def _refuse(self, status: int, slug: str, title: str, detail: str) -> None:
        """Say why, where no answer has begun, and close the connection."""
        if self.transport.is_closing():
            return
        if self._may_answer():
            body = json.dumps({"type": problem_type(slug), "title": title, "status": status, "detail": detail}).encode()
            again = b"retry-after: 1\r\n" if status == 503 else b""
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n%s"
                b"connection: close\r\n\r\n%s" % (status, title.encode(), len(body), again, body)
            )
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether what is written now is the answer to what is being read, and not a second one or another's."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is None:
            return True
        return cycle.response_complete if self._reading == "headers" else not cycle.response_started


def config(app: Any) -> uvicorn.Config:
    """The server's configuration; the log is the process's own. An app may have those that take requests `direct`."""
    direct: Mapping[bytes, Direct] = getattr(app, "direct", {})
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=type("Protocol", (Protocol,), {"direct": direct}),
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who says to be somebody else's proxy is not believed: see api/deps.py
        server_header=False,
        timeout_keep_alive=int(IDLE_S),
        timeout_graceful_shutdown=STOP_S,
    )


def run(app: Any, door: socket.socket) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT, and answer what was taken until then."""
    Protocol.most = min(MOST_CONNECTIONS, _files() - SPARE_FILES)
    uvicorn.Server(config(app)).run(sockets=[door])


def _files() -> int:
    """How many files this process may open, after asking for as many as it may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
