"""A request that is answered without a task of its own: what asyncio asks for one costs as much as storing its event.

The protocol (api/server.py) hands a whole request to the collector as it comes out of the parser, and the writer's
answer is written from the event loop's callback. An Exchange stands where uvicorn's own request cycle would: it has
what uvicorn's protocol asks of one.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from unspoken.api.heads import Head

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from unspoken.api import server

Headers = list[tuple[bytes, bytes]]


class _Unheard:
    """Where uvicorn wakes a task that waits for the body or the end of its request: here nobody does."""

    def set(self) -> None:
        return


class Direct(Protocol):
    """Who takes whole requests of one path."""

    def take(self, headers: Headers, body: bytes, exchange: "Exchange") -> bool:
        """Whether it answers this POST through the exchange, now or later. If not, nothing was done."""
        ...


class Exchange:
    """One request and its answer on a connection that stays open."""

    __slots__ = ("_protocol", "disconnected", "keep_alive", "response_complete")

    message_event = _Unheard()
    response_started = False  # an answer begins and is complete in one piece

    def __init__(self, protocol: "server.Protocol") -> None:
        self._protocol = protocol
        self.keep_alive = True  # uvicorn takes it away when it is told to end
        self.response_complete = self.disconnected = False

    @property
    def state(self) -> dict[str, Any]:
        """What the app's lifespan gave to this server."""
        return self._protocol.app_state

    def streamed(self, word: Callable[[], None]) -> "Stream":
        """In place of this one, for an answer in pieces; `word` is called when the connection may say something new."""
        return Stream(self._protocol, word)

    def answer(self, status: int, head: Head, content: bytes) -> None:
        """Write the answer, and let the connection's next request begin."""
        protocol = self._protocol
        self.response_complete = True
        transport = protocol.transport
        if not transport.is_closing():
            last = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
            transport.write(b"".join((STATUS_LINE[status], protocol.date(), head.block, last, content)))
            if not self.keep_alive:
                transport.close()
        protocol.on_response_complete()


class _Heard:
    """Where uvicorn wakes a task at the connection's end."""

    def __init__(self, word: Callable[[], None]) -> None:
        self.set = word


class Stream(Exchange):
    """One request and an answer that comes in pieces."""

    def __init__(self, protocol: "server.Protocol", word: Callable[[], None]) -> None:
        super().__init__(protocol)
        self.message_event = _Heard(word)  # type: ignore[assignment]
        self.response_started = False
        self._word = word
        self._head = b""
        self._draining: asyncio.Task[None] | None = None
        protocol.cycle = cast("RequestResponseCycle", self)
        protocol.running(self)

    @property
    def gone(self) -> bool:
        """Whether nobody reads any more."""
        return self.disconnected or self._protocol.transport.is_closing()

    @property
    def full(self) -> bool:
        """Whether what was sent waits for a slow reader; there is word when it no longer does."""
        flow = self._protocol.flow
        if flow.write_paused and self._draining is None:
            self._draining = asyncio.ensure_future(flow.drain())
            self._draining.add_done_callback(self._drained)
        return flow.write_paused

    def begin(self, status: int, headers: Headers) -> None:
        """The head; it goes with the first piece."""
        block = b"".join([b"%b: %b\r\n" % header for header in headers])
        self._head = b"".join(
            (STATUS_LINE[status], self._protocol.date(), block, b"transfer-encoding: chunked\r\n\r\n")
        )

    def send(self, content: bytes, *, over: bool = False) -> None:
        """A piece, and the end if nothing follows."""
        parts = [self._head]
        if content:
            parts += (b"%x\r\n" % len(content), content, b"\r\n")
        if over:
            parts.append(b"0\r\n\r\n")
        self._head, self.response_started = b"", True
        self._protocol.transport.write(b"".join(parts))
        if over:
            self._end()

    def whole(self, status: int, headers: Headers, content: bytes) -> None:
        """The answer in one piece."""
        named = {name for name, _ in headers}
        block = b"".join([b"%b: %b\r\n" % header for header in headers])
        if b"content-length" not in named:
            block += b"content-length: %d\r\n" % len(content)
        if not self._protocol.transport.is_closing():
            self._protocol.transport.write(
                b"".join((STATUS_LINE[status], self._protocol.date(), block, b"\r\n", content))
            )
        self._end()

    def drop(self) -> None:
        """Ends the connection: what was begun cannot be ended well."""
        self._protocol.transport.close()

    def _end(self) -> None:
        self.response_started = self.response_complete = True
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()

    def _drained(self, _: "asyncio.Task[None]") -> None:
        self._draining = None
        self._word()
