"""One answer that comes in: its numbered chunks, and word of each new one. No reader holds it up or ends it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from unspoken.api.chat.answers import Answers
from unspoken.api.chat.asking import Asked
from unspoken.api.chat.history import Place
from unspoken.store.keys import Principal
from unspoken.store.tables import Project


@dataclass(frozen=True, slots=True)
class Head:
    """How the upstream's answer begins. `body` is all of it where it did not come as a stream."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    """A reader who left before the end: when, and how many characters of each choice had been sent."""

    at: datetime
    sent: tuple[int, ...]


@dataclass(eq=False, slots=True)
class Generation:
    """`begun` says how the answer begins, or raises why it does not, to who asked; `ended` is set once it is stored.

    `chunks` are (number, server-sent event): a comment has the number of the chunk before it. `departed` is called
    with each reader who leaves early.
    """

    project: Project
    principal: Principal
    asked: Asked
    received_at: datetime
    answers: Answers
    departed: Callable[["Generation", Departure], None]
    place: Place | None = None
    names: list[tuple[bytes, bytes]] = field(default_factory=list)  # headers that say what is stored of it
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    count: int = 0
    size: int = 0  # bytes
    streamed: bool = False
    head: Head | None = None  # of one that did not come as a stream: told once it is stored
    done: bytes | None = None  # the upstream's own last block, likewise
    complete_at: int | None = None  # as many chunks hold all that will ever be said
    stopped: str | None = None  # the finish that somebody chose for it
    ended: bool = False
    started: float = field(default_factory=monotonic)
    ttft_ms: int | None = None
    duration_ms: int | None = None
    begun: "asyncio.Future[Head]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    reading: "asyncio.Task[None] | None" = None
    whole: "asyncio.Task[None] | None" = None
    heard: list[Callable[[], None]] = field(default_factory=list)  # called at each word
    _waiting: "list[asyncio.Future[None]]" = field(default_factory=list)

    @property
    def messages(self) -> list[str]:
        """The ids of its answers, in the order of the choices."""
        return [answer.message for answer in self.answers.each]

    def since_ms(self) -> int:
        """Milliseconds since the request came."""
        return round((monotonic() - self.started) * 1000)

    def begin(self, head: Head) -> None:
        """Say how the answer begins, unless whoever asked has gone."""
        if not self.begun.done():
            self.begun.set_result(head)
            self.wake()

    def fail(self, error: BaseException) -> None:
        """Say why it does not begin."""
        self.begun.set_exception(error)
        self.begun.exception()  # told to whoever waits; where nobody does any more, nobody has to hear of it
        self.wake()

    def add(self, block: bytes, *, numbered: bool = True) -> None:
        """One more chunk; `wake` gives word of it."""
        self.count += numbered
        self.chunks.append((self.count, block))
        self.size += len(block)
        for answer in self.answers.each:
            answer.sent.append(answer.chars)
        if self.complete_at is None and self.answers.ended:
            self.complete_at = len(self.chunks)

    def end(self) -> None:
        """Nothing more comes, and what came is stored, or cannot be."""
        self.ended = True
        self.wake()

    async def stop(self, finish: str) -> None:
        """Ends it now under that finish, unless it has ended; returns once it is stored. Twice is once."""
        if self.reading is not None and not self.reading.done():
            self.stopped = self.stopped or finish
            self.reading.cancel()
        if self.whole is not None:
            await asyncio.shield(self.whole)

    def left(self, position: int) -> None:
        """A reader is gone who had been sent the chunks before `position`; one who had been sent all is not missed."""
        if self.complete_at is not None and self.streamed and position >= self.complete_at:
            return
        sent = tuple(answer.sent[position - 1] if position else 0 for answer in self.answers.each)
        self.departed(self, Departure(datetime.now(self.received_at.tzinfo), sent))

    def after(self, number: int) -> int:
        """The position of the first chunk after the one of that number."""
        low, high = 0, len(self.chunks)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.chunks[middle][0] <= number else (low, middle)
        return low

    def changed(self) -> "asyncio.Future[None]":
        """Done at the next word."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def wake(self) -> None:
        """Word to whoever waits."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        for hear in tuple(self.heard):  # one that hears the end hears no more
            hear()

    def told(self) -> dict[str, Any]:
        """Its answers for one who stopped it."""
        finishes = [answer.finish or self.stopped for answer in self.answers.each]
        return {"messages": self.messages, "finish": finishes, "chars": [each.chars for each in self.answers.each]}
