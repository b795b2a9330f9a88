"""Closes that nobody could send: what store/silence.py finds becomes a `close` event of cause "inferred".

Its id follows from the event that was the last one heard, so two workers at once, or the same one again, write one.
A late event that shows the user was there does not take it back, because events are never changed: whoever reads a
close that was inferred looks for such an event (signals/episodes.py).

**What bounds the work.** A watermark says up to which horizon silence was looked for. A pass goes on from there to the
horizon that was taken one grace period ago, once that is worth half a grace period, and reads the events from one grace
period before the watermark until now: each event is read at most six times, the first time only to see that it is of a
kind that asks for an answer, and never again. Where nothing fell silent, that first look is all. In memory are the
events that matter of at most CONVERSATIONS conversations.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid5
from zlib import crc32

from sqlalchemy import Engine, Table, bindparam, exists, or_, select, text, update
from sqlalchemy.orm import Session

from unspoken.errors import BadEvent
from unspoken.events import Event as Sent
from unspoken.events import parse
from unspoken.settings import settings
from unspoken.store import projects
from unspoken.store.bare import WRITERS
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.dialects import insert, on_postgresql
from unspoken.store.horizon import between, horizon
from unspoken.store.ingest import ingest
from unspoken.store.silence import HEARD, SILENT, Act, Silence, silences
from unspoken.store.tables import Erasure, Event, Project, Watermark

log = logging.getLogger(__name__)

NAMESPACE = UUID("5f0c1e0c-6d0b-5b0e-9a53-2f3b7c1d8e44")
CONVERSATIONS = 50_000  # looked at together
ROWS = 5_000
CHUNK = 500  # closes in one transaction
Horizon = dict[str, Any]
Place = tuple[int, str]  # project number, conversation


@dataclass(frozen=True)
class Progress:
    """How far it has come, and when which horizon was in force (the oldest first)."""

    done: tuple[datetime, Horizon] | None
    past: tuple[tuple[datetime, Horizon], ...]

    def due(self, at: datetime, grace: timedelta) -> tuple[datetime, Horizon] | None:
        """The horizon of a grace period ago, when that is far enough from where it stands."""
        before = [one for one in self.past if one[0] <= at - grace]
        if not before or (self.done and before[-1][0] - self.done[0] < grace / 2):
            return None
        return before[-1]

    def context(self, grace: timedelta) -> Horizon | None:
        """The horizon of a grace period before where it stands: what came since may bear on what comes now."""
        if self.done is None:
            return None
        before = [one for one in self.past if one[0] <= self.done[0] - grace]
        return (before[-1] if before else min((self.done, *self.past), key=lambda one: one[0]))[1]

    def noting(self, at: datetime, here: Horizon, grace: timedelta) -> "Progress":
        """With the horizon of now, unless one was noted a moment ago; without those that are no longer asked for."""
        past = [one for one in self.past if self.done is None or one[0] >= self.done[0] - 2 * grace]
        if not past or at - past[-1][0] >= grace / 20:
            past.append((at, here))
        return Progress(self.done, tuple(past))


def infer(engine: Engine, at: datetime | None = None) -> int:
    """Writes the closes that are due, each project by its own grace period; how many were new. `at` is now."""
    at = at or now()
    by_grace: dict[float, dict[int, Project]] = {}
    with reading(engine) as session:
        for project in projects.listed(session):
            grace_s = projects.rules(project).grace_s or settings().grace_s
            by_grace.setdefault(grace_s, {})[project.number] = project
    return sum(_pass(engine, grace_s, known, at) for grace_s, known in sorted(by_grace.items()))


def _pass(engine: Engine, grace_s: float, known: Mapping[int, Project], at: datetime) -> int:
    name, grace = f"closes:{grace_s:g}", timedelta(seconds=grace_s)
    written = 0
    with reading(engine) as session:
        progress = _progress(session, name)
        here = horizon(session)
        if due := progress.due(at, grace):
            asking = _asking(session, known, progress.done[1] if progress.done else None, due[1])
            for places in _parts(asking):
                acts = _acts(session, places, progress.context(grace), here, at - grace)
                written += sum(_write(engine, known[number], found, grace) for number, found in _found(acts, grace, at))
    if due:
        progress = Progress(due, progress.past)
    _keep(engine, name, progress.noting(at, here, grace))
    return written


def _asking(session: Session, known: Mapping[int, Project], since: Horizon | None, until: Horizon) -> list[Place]:
    """Conversations in which something happened that has to be followed by something."""
    found = select(Event.project, Event.conversation).where(*between(since, until), Event.kind.in_(SILENT)).distinct()
    return sorted((number, conversation) for number, conversation in session.execute(found) if number in known)


def _parts(asking: Sequence[Place]) -> Iterator[set[Place]]:
    parts = -(-len(asking) // CONVERSATIONS)
    for part in range(parts):
        yield {place for place in asking if crc32(place[1].encode()) % parts == part}


def _acts(
    session: Session, places: set[Place], since: Horizon | None, until: Horizon, settled: datetime
) -> dict[Place, list[Act]]:
    """What bears on being there in these conversations. A run of heartbeats is as good as its last."""
    wanted = select(
        Event.project, Event.conversation, Event.id, Event.kind, Event.occurred_at, Event.page, Event.n, Event.user,
        Event.message, Event.fields, Event.received_at,
    ).where(*between(since, until), or_(Event.kind.in_(HEARD), Event.kind == "message"))  # fmt: skip
    acts: dict[Place, list[Act]] = {place: [] for place in places}
    ahead: dict[Place, timedelta] = {}
    for row in session.execute(wanted, execution_options={"yield_per": ROWS}):
        mine = acts.get((row.project, row.conversation))
        if mine is None or (row.kind == "message" and row.fields.get("role") != "user"):
            continue
        if row.occurred_at > row.received_at:
            place = (row.project, row.conversation)
            ahead[place] = max(ahead.get(place, timedelta()), row.occurred_at - row.received_at)
        mine.append(
            Act(
                id=row.id,
                kind=row.kind,
                at=row.occurred_at,
                page=row.page,
                n=row.n,
                user=row.user,
                message=row.message,
                phase=row.fields.get("phase"),
                seen_chars=row.fields.get("seen_chars"),
                total_chars=row.fields.get("total_chars"),
                settled=row.received_at <= settled,
            )
        )
    # Nothing happens after it was received: a clock that is ahead, and did not say so, is set back as a whole.
    for place, by in ahead.items():
        acts[place] = [replace(act, at=act.at - by) for act in acts[place]]
    return acts


def _found(acts: Mapping[Place, Sequence[Act]], grace: timedelta, at: datetime) -> Iterator[tuple[int, list[Silence]]]:
    by_project: dict[int, list[Silence]] = {}
    for (number, _), mine in acts.items():
        by_project.setdefault(number, []).extend(silences(mine, grace, at))
    yield from by_project.items()


def _write(engine: Engine, project: Project, found: Sequence[Silence], grace: timedelta) -> int:
    written = 0
    for start in range(0, len(found), CHUNK):
        some = found[start : start + CHUNK]
        with transaction(engine) as session:
            written += _write_some(session, project, {each.event: each for each in some}, grace)
    return written


def _write_some(session: Session, project: Project, found: Mapping[str, Silence], grace: timedelta) -> int:
    """In one transaction with a look at what each follows from: what was erased meanwhile has no consequences.

    Whoever asks for an erasure waits for this transaction, or is seen here.
    """
    if on_postgresql(session):
        session.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": WRITERS})
    being_erased = exists().where(
        Erasure.project_id == project.id, Erasure.user == Event.user, Erasure.finished_at.is_(None)
    )
    there = session.execute(
        select(
            Event.id, Event.occurred_at, Event.conversation, Event.user, Event.page, Event.session, Event.device,
            Event.arm, Event.consent,
        ).where(Event.project == project.number, Event.id.in_(found), ~being_erased)
    ).all()  # fmt: skip
    closes = [close for row in there if (close := _parsed(_close(row, found[row.id], grace)))]
    receipt = ingest(session, project, closes, sent_at=None, received_at=now())
    # Whose it is is known as a hash only, which no event that is sent can carry.
    named = [{"its": _id(row.id), "whose": row.user} for row in there if row.user is not None]
    if named and receipt.stored:
        rows = cast(Table, Event.__table__)
        own = (rows.c.project == project.number, rows.c.id == bindparam("its"))
        session.connection().execute(update(rows).where(*own).values(user=bindparam("whose")), named)
    return receipt.stored


def _close(row: Any, silence: Silence, grace: timedelta) -> dict[str, Any]:
    said = {
        "id": _id(row.id),
        "kind": "close",
        "at": row.occurred_at.isoformat(),
        "conversation": row.conversation,
        "message": silence.message,
        "page": row.page,
        "session": row.session,
        "device": row.device,
        "arm": row.arm,
        "consent": row.consent,
        "phase": silence.phase,
        "seen_chars": silence.seen_chars,
        "total_chars": silence.total_chars,
        "cause": "inferred",
        "silent_ms": round(grace.total_seconds() * 1000),
    }
    return {name: value for name, value in said.items() if value is not None}


def _parsed(close: dict[str, Any]) -> Sent | None:
    """None for one that is no event: a clock may be so far off that its corrected time is in no year that is known."""
    try:
        return parse(close)
    except BadEvent as error:
        log.warning("A page fell silent and cannot be closed: its field %r does not fit.", error.field)
        return None


def _id(event: str) -> str:
    return str(uuid5(NAMESPACE, event))


def _progress(session: Session, name: str) -> Progress:
    kept = session.scalar(select(Watermark.horizon).where(Watermark.name == name)) or {"done": None, "past": []}
    done, *past = [
        None if one is None else (datetime.fromisoformat(one[0]), one[1]) for one in (kept["done"], *kept["past"])
    ]
    return Progress(done, tuple(one for one in past if one))


def _keep(engine: Engine, name: str, progress: Progress) -> None:
    done, *past = [one and [one[0].isoformat(), one[1]] for one in (progress.done, *progress.past)]
    with transaction(engine) as session:
        statement = insert(session, Watermark).values(name=name, horizon={"done": done, "past": past})
        told = {"horizon": statement.excluded.horizon}
        session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=told))
