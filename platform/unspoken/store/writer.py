"""One thread that writes what many requests bring: whatever waits becomes one transaction, answered after its commit.

What comes while a transaction commits makes the next one, so groups grow with the load by themselves: waiting for more
to come, if only a millisecond, measured slower for one client and for many.

`put` and `append` never wait for the database. They are refused with Unavailable when too much waits already; what was
taken ends with a receipt, with NotSignedIn when its key was revoked meanwhile, or with Unavailable when the database is
away or full, or went away before it said that the commit is done. Nothing is lost by sending the same ids again.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Engine, PoolProxiedConnection

from unspoken.errors import Unavailable
from unspoken.settings import settings
from unspoken.store.arrivals import Arrival, Receipt
from unspoken.store.bare import Bare, of_driver
from unspoken.store.columns import now
from unspoken.store.database import unavailable
from unspoken.store.ingest import Erasures
from unspoken.store.ingest import write as write_group

__all__ = ["Arrival", "Receipt", "Writer"]

log = logging.getLogger(__name__)

GROUP_EVENTS = 4_000  # in one transaction: some 30 ms, after which the first of them is answered
USED_EVERY_S = 60.0

Answer = Receipt | BaseException


class Writer:
    """Takes arrivals from any thread; writes them from one of its own between `start` and `close`."""

    def __init__(self, engine: Engine) -> None:
        self._groups = _Groups(engine)
        self._waiting: deque[tuple[Arrival, Future[Receipt] | _InLoop]] = deque()
        self._events = self._bytes = 0
        self._changed = threading.Condition()
        self._idle = True
        self._open = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        bounds = settings()
        self._most_events, self._most_bytes = bounds.queue_events, bounds.queue_bytes

    @property
    def depth(self) -> tuple[int, int]:
        """Events and bytes that wait or are being written."""
        return self._events, self._bytes

    def start(self) -> None:
        """Begin to write."""
        self._open = True
        self._thread.start()

    def close(self) -> None:
        """Refuse what comes from now on, and return when everything taken is written and answered."""
        with self._changed:
            self._open = False
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def put(self, arrival: Arrival) -> Future[Receipt]:
        """Hand in an arrival; the future is done after its commit. Raises Unavailable when too much waits already."""
        future: Future[Receipt] = Future()
        self._take(arrival, future)
        return future

    async def append(self, arrival: Arrival) -> Receipt:
        """Hand in an arrival and wait for its commit. Raises what `put` does, and NotSignedIn."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        self._take(arrival, _InLoop(loop, partial(_settle, future)))
        return await future

    def call(self, arrival: Arrival, tell: Callable[[Answer], None]) -> None:
        """Hand in an arrival; `tell` is called in the running event loop after its commit, or with what went wrong.

        Raises Unavailable, and does not call, when too much waits already.
        """
        self._take(arrival, _InLoop(asyncio.get_running_loop(), tell))

    def _take(self, arrival: Arrival, asker: "Future[Receipt] | _InLoop") -> None:
        with self._changed:
            if not self._open:
                raise Unavailable("This server is stopping; send the same events again shortly.", 1)
            events, size = self._events + len(arrival.events), self._bytes + arrival.size
            # One that is larger than the bounds is taken when nothing else waits: it could never come otherwise.
            if self._events and (events > self._most_events or size > self._most_bytes):
                raise Unavailable("More events come than can be written; send the same events again shortly.", 1)
            self._events, self._bytes = events, size
            self._waiting.append((arrival, asker))
            if self._idle:
                self._idle = False
                self._changed.notify()

    def _run(self) -> None:
        while group := self._next():
            answers = self._groups.write([arrival for arrival, _ in group])
            with self._changed:
                self._events -= sum(len(arrival.events) for arrival, _ in group)
                self._bytes -= sum(arrival.size for arrival, _ in group)
            _tell([asker for _, asker in group], answers)
        self._groups.close()

    def _next(self) -> list[tuple[Arrival, "Future[Receipt] | _InLoop"]]:
        """What is to be written together; empty when closed and all is written."""
        with self._changed:
            while not self._waiting and self._open:
                self._idle = True
                self._changed.wait()
            self._idle = False
            group: list[tuple[Arrival, Future[Receipt] | _InLoop]] = []
            events = 0
            while self._waiting and (not group or events + len(self._waiting[0][0].events) <= GROUP_EVENTS):
                taken = self._waiting.popleft()
                events += len(taken[0].events)
                group.append(taken)
            return group


class _InLoop(NamedTuple):
    """Who is to be told in an event loop, by a function that only its own thread may call."""

    loop: asyncio.AbstractEventLoop
    tell: Callable[[Answer], None]


def _tell(askers: list["Future[Receipt] | _InLoop"], answers: list[Answer]) -> None:
    """Everyone their answer; each event loop is woken once for all of its own."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Callable[[Answer], None], Answer]]] = {}
    for asker, answer in zip(askers, answers, strict=True):
        if isinstance(asker, _InLoop):
            loops.setdefault(asker.loop, []).append((asker.tell, answer))
        elif asker.set_running_or_notify_cancel():
            _settle(asker, answer)
    for loop, told in loops.items():
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits there any more
            loop.call_soon_threadsafe(_tell_all, told)


def _tell_all(told: list[tuple[Callable[[Answer], None], Answer]]) -> None:
    for tell, answer in told:
        try:
            tell(answer)
        except Exception:  # one who cannot be told must not keep the others waiting
            log.exception("An arrival's answer could not be given")


def _settle(future: "Future[Receipt] | asyncio.Future[Receipt]", answer: Answer) -> None:
    if future.done():  # whoever asked has gone
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)


class _Groups:
    """Writes one group after another on a connection of its own, which is made anew when it broke."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._connection: PoolProxiedConnection | None = None
        self._erasures = Erasures()
        self._used: dict[str, float] = {}

    def write(self, arrivals: list[Arrival]) -> list[Answer]:
        """An answer for each, after the commit. When one of them breaks the group, each is written by itself."""
        try:
            return self._commit(arrivals)
        except Unavailable as error:
            return [error] * len(arrivals)
        except Exception as error:
            if len(arrivals) == 1:
                log.exception("An arrival could not be stored")
                return [error]
        return [answer for arrival in arrivals for answer in self.write([arrival])]

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, arrivals: list[Arrival]) -> list[Answer]:
        driver: Any = None
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            driver = self._connection.driver_connection
            self._begin(driver)
            store = of_driver(self._engine.dialect.name, driver)
            answers = write_group(store, arrivals, self._erasures, lambda: self._begin_anew(driver))
            self._note_use(store, arrivals, answers)
            self._connection.commit()
        except BaseException as error:
            away = unavailable(error, self._engine, driver)
            self._end(away is not None)
            if away is not None:
                raise away from error
            raise
        return list(answers)

    def _begin(self, driver: Any) -> None:
        if self._sqlite:  # psycopg begins by itself
            driver.execute("BEGIN IMMEDIATE")

    def _begin_anew(self, driver: Any) -> None:
        """For a group whose usual way was closed; see ingest.write."""
        driver.rollback()
        self._begin(driver)

    def _end(self, broken: bool) -> None:
        """Roll back. A connection to a database that was away or full is thrown away, and the next group makes one."""
        if self._connection is None:
            return
        with suppress(Exception):
            self._connection.rollback()
        if broken:
            self._connection.invalidate()
            self._connection = None

    def _note_use(self, store: Bare, arrivals: list[Arrival], answers: Sequence[Answer]) -> None:
        """Writes when keys were last used: each at most once a minute, since every time is a row more to write."""
        at = time.monotonic()
        stale = {
            arrival.principal.key_id
            for arrival, answer in zip(arrivals, answers, strict=True)
            if arrival.principal is not None
            and isinstance(answer, Receipt)
            and at - self._used.get(arrival.principal.key_id, -USED_EVERY_S) >= USED_EVERY_S
        }
        if stale:
            store.used(sorted(stale), now())
            self._used |= dict.fromkeys(stale, at)
