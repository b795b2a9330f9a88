"""The usual chat without a task for who asks: read as it comes out of the parser, answered from the event loop.

Between the upstream's first byte and the client's there is then one task to wake, the generation's own; the framework,
and a task that waits for another, would take longer than all the rest. For anything unusual the routes answer.
"""

import asyncio
import logging
from time import perf_counter

from unspoken.api import bodies, edge, problems
from unspoken.api.chat import asking, names
from unspoken.api.chat.generation import Generation
from unspoken.api.chat.proxy import PATHS, STOPPING, Proxy
from unspoken.api.chat.relay import BATCH
from unspoken.api.doors import Door
from unspoken.api.edge import Journal
from unspoken.api.exchange import Exchange, Headers
from unspoken.errors import NotSignedIn, Unavailable, UnspokenError
from unspoken.store.columns import now

LARGE = 100_000  # bytes; larger histories are read where they hold up nobody's first token
HEAD_S = 0.002  # how long a head waits for the words that most often follow it at once


log = logging.getLogger(__name__)


class Chats:
    """Takes the POSTs of one path."""

    def __init__(self, path: str, journal: Journal) -> None:
        self.path = path
        self.journal = journal

    def take(self, headers: Headers, body: bytes, exchange: Exchange) -> bool:
        """A chat under a remembered key that may chat. For anything else False, and nothing has happened."""
        started = perf_counter()
        proxy: Proxy | None = exchange.state.get("proxy")
        said = dict(headers)
        if proxy is None or len(body) > LARGE:
            return False
        door = proxy.doors.known(said.get(b"authorization"))
        if door is None or not names.may_chat(door):
            return False
        try:
            _, packed = bodies.declared(said)
            if packed:
                return False
            asked = asking.read(body.removeprefix(bodies.MARK), said)
            generation = proxy.start(door, asked, headers, now())
        except UnspokenError:
            return False
        _Reader(self, started, proxy, door, generation, exchange)
        return True


class _Reader:
    """Sends a generation's chunks on as they come, as relay.Relay does for who comes by a route."""

    def __init__(
        self, chats: Chats, started: float, proxy: Proxy, door: Door, generation: Generation, exchange: Exchange
    ) -> None:
        self._chats, self._started, self._proxy, self._door = chats, started, proxy, door
        self._generation = generation
        self._position = self._status = 0
        self._over = False
        self._loop = asyncio.get_running_loop()
        self._stream = exchange.streamed(self._word)
        generation.heard.append(self._word)

    def _word(self) -> None:
        """Something happened to the generation or the connection."""
        if self._over:
            return
        try:
            self._go_on()
        except Exception:  # whatever is wrong with one reader ends no generation
            log.exception("an answer could not be passed on")
            self._stream.drop()
            self._end()

    def _go_on(self) -> None:
        generation, stream = self._generation, self._stream
        if not generation.begun.done():
            return
        if not self._status:
            self._begin()
            return
        if stream.gone:
            self._end()
            generation.left(self._position)
            return
        if stream.full:
            return
        batch = generation.chunks[self._position : self._position + BATCH]
        self._position += len(batch)
        over = generation.ended and self._position == len(generation.chunks)
        if batch or over:
            stream.send(b"".join([block for _, block in batch]), over=over)
        if over:
            self._end()
        elif self._position < len(generation.chunks):
            self._loop.call_soon(self._word)

    def _begin(self) -> None:
        generation = self._generation
        if (error := generation.begun.exception()) is not None:
            if isinstance(error, NotSignedIn):
                self._proxy.doors.forget(self._door)
            path = self._chats.path
            told = error if isinstance(error, Exception) else Unavailable(STOPPING, 1)
            answer = problems.answer(told, "POST", path, path)
            self._whole(answer.status_code, answer.raw_headers, bytes(answer.body))
            return
        head = generation.begun.result()
        headers = [*head.headers, *generation.names]
        if head.body is not None:
            if self._stream.gone:
                generation.left(0)
            self._whole(head.status, headers, head.body)
            return
        self._status = head.status
        self._stream.begin(head.status, edge.with_ours(headers))
        self._loop.call_later(HEAD_S, self._head)
        self._loop.call_soon(self._word)

    def _head(self) -> None:
        """By itself, since nothing followed it."""
        if not (self._over or self._stream.response_started or self._stream.gone):
            self._stream.send(b"")

    def _whole(self, status: int, headers: Headers, body: bytes) -> None:
        self._status = status
        self._stream.whole(status, edge.with_ours(headers), body)
        self._end()

    def _end(self) -> None:
        self._over = True
        self._generation.heard.remove(self._word)
        self._chats.journal.answered("POST", self._chats.path, self._status, perf_counter() - self._started)


def direct(journal: Journal) -> dict[bytes, Chats]:
    """Who takes chats, by path."""
    return {path.encode(): Chats(path, journal) for path in PATHS}
