"""The platform as the product's page meets it: a running server, and what it stored."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, select
from tests.server import Serve, Server, reserved

from unspoken import migrate
from unspoken.store import closes, keys, projects
from unspoken.store.columns import now
from unspoken.store.database import connect, reading, transaction
from unspoken.store.tables import Event

WAIT_S = 120.0
MEASURES = ("seen_chars", "total_chars", "visible_ms", "active_ms", "idle_ms", "hidden_ms", "away_ms", "ms")
Shape = tuple[str, str | None, dict[str, Any]]  # kind, message, and the kind's own fields without measures
_numbers = count()


@dataclass(frozen=True)
class Desk:
    """A project, a write key for a page, and what has arrived."""

    engine: Engine
    number: int
    key: str

    def events(self, *kinds: str) -> list[Event]:
        """What is stored now, of these kinds or of all, by page view and then as the page counted them.

        What was inferred has no number and stands last.
        """
        with reading(self.engine) as session:
            wanted = select(Event).where(Event.project == self.number)
            if kinds:
                wanted = wanted.where(Event.kind.in_(kinds))
            found = session.scalars(wanted).all()
            pages = {page: place for place, page in enumerate(dict.fromkeys(each.page for each in found))}
            return sorted(found, key=lambda each: (pages[each.page], 1e9 if each.n is None else each.n))

    def until(self, holds: Callable[[list[Event]], Any], *kinds: str, seconds: float = WAIT_S) -> list[Event]:
        """The events once that holds of them. AssertionError, with what is there, when it takes longer."""
        end = time.monotonic() + seconds
        while not holds(found := self.events(*kinds)):
            if time.monotonic() > end:
                raise AssertionError(f"did not come about in {seconds:g} s; there are {list(map(told, found))}")
            time.sleep(0.02)
        return found

    def exactly(self, *expected: Shape) -> list[Event]:
        """The events once these and no others are there (see `shapes`), and none is missing in between."""
        wanted = list(expected)
        try:
            return self.until(lambda found: shapes(found) == wanted and whole(found))
        except AssertionError as error:
            assert shapes(self.events()) == wanted, error  # for pytest to show where they part
            raise

    def infer(self) -> int:
        """What a worker does each minute (closes.infer), a grace period from now: how many pages it closed.

        How far it has come is kept by grace period, for all projects that have the same: so each has its own here.
        """
        grace_s = 60.0 + self.number
        with transaction(self.engine) as session:
            [project] = [each for each in projects.listed(session) if each.number == self.number]
            projects.change(session, project.id, {"grace_s": grace_s})
        closes.infer(self.engine)
        return closes.infer(self.engine, now() + timedelta(seconds=2 * grace_s))


@dataclass(frozen=True)
class Collector:
    """`unspoken serve` on a database."""

    engine: Engine
    server: Server
    serve: Serve

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url

    @contextmanager
    def down(self) -> Iterator[None]:
        """Killed, and the port refuses; afterwards another process serves there, on the same database."""
        self.server.end(signal.SIGKILL)
        self.server.door.close()
        with reserved(self.server.address[1]):
            yield
        _answering(self.serve(str(self.engine.url), port=self.server.address[1]))

    def project(self, origins: list[str] | None, **settings: object) -> Desk:
        """A new one; its key is good for pages of these origins."""
        with transaction(self.engine) as session:
            project = projects.create(session, f"chat-{next(_numbers)}")
            if settings:
                projects.change(session, project.id, settings)
            _, key = keys.create(session, project.id, "write", origins=origins)
            return Desk(self.engine, project.number, key)


def shapes(events: list[Event]) -> list[Shape]:
    """What happened, without when and how much. Signs of life come as time passes, so they are left out."""
    return [
        (each.kind, each.message, {name: value for name, value in each.fields.items() if name not in MEASURES})
        for each in events
        if each.kind not in ("heartbeat", "pause")
    ]


def whole(events: list[Event]) -> bool:
    """Whether each page view's events are counted from 0 without a gap: none was lost, none stands there twice."""
    pages = {each.page for each in events}
    counted = {page: [each.n for each in events if each.page == page] for page in pages}
    return all(numbers == list(range(len(numbers))) for numbers in counted.values())


def told(event: Event) -> str:
    """For a failed test."""
    return f"{event.n} {event.kind} {event.message or ''} {event.fields}"


@contextmanager
def open_collector(folder: Path, serve: Serve) -> Iterator[Collector]:
    """A server on a fresh SQLite file in this folder, once it answers."""
    url = f"sqlite:///{folder / 'unspoken.db'}"
    engine = connect(url)
    migrate.upgrade(engine)
    yield Collector(engine, _answering(serve(url)), serve)
    engine.dispose()


def _answering(server: Server) -> Server:
    try:
        httpx.get(f"{server.url}/healthz", timeout=WAIT_S).raise_for_status()
    except httpx.HTTPError as error:
        raise AssertionError(f"The server does not answer; its log: {server.log.read_text()[-3000:]}") from error
    return server
