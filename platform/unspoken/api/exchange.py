"""A request that is answered without a task of its own: what asyncio asks for one costs as much as storing its event.

The protocol (api/server.py) hands a whole request to the collector as it comes out of the parser, and the writer's
answer is written from the event loop's callback. An Exchange stands where uvicorn's own request cycle would: it has
what uvicorn's protocol asks of one.
"""

from typing import TYPE_CHECKING, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from unspoken.api.heads import Head

if TYPE_CHECKING:
    from unspoken.api import server

Headers = list[tuple[bytes, bytes]]


class _Unheard:
    """Where uvicorn wakes a task that waits for the body or the end of its request: here nobody does."""

    def set(self) -> None:
        return


class Direct(Protocol):
    """Who takes whole requests of one path."""

    path: bytes

    def take(self, headers: Headers, body: bytes, exchange: "Exchange") -> bool:
        """Whether it answers this POST by `exchange.answer`, now or later. If not, nothing was done."""
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
