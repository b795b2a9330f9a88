"""Removing what is older than a project keeps: events, messages, and what was derived from them, in short transactions.

An event is as old as its arrival here (`received_at`), which no client's clock can move. Labels and pairs of a removed
message go too; the dataset that held them stays, and so do models: growing old withdraws nothing. An erasure later
withdraws all that was made before the last removal, because who was in it cannot be told any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Engine, delete, exists, func, select, true
from sqlalchemy.orm import Session

from unspoken.store import audit, people, projects
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.fold import refold, untally
from unspoken.store.horizon import stream
from unspoken.store.tables import Base, Conversation, Event, Message, Parked, Participant, Person, Project, Span

ROWS = 2_000  # events in one transaction: some 20 ms of SQLite's write lock
LOOK = 100_000  # numbers looked through in one reading: some 10 ms of SQLite's, and nobody waits for it
ACTOR = "retention"
EXPIRED = "events.expired"  # in the audit
FEW = 20  # conversations in one transaction
Counts = dict[str, int]


@dataclass
class Gone:
    """Whose events went; and whose went of conversations that were not over with them."""

    users: set[str] = field(default_factory=set)
    conversations: dict[str, set[str]] = field(default_factory=dict)


def due(session: Session) -> list[tuple[str, int]]:
    """(project id, days) of every project that keeps its events for so many days only."""
    every = ((project.id, projects.rules(project).retention_days) for project in session.scalars(select(Project)))
    return [(project, days) for project, days in every if days is not None]


def expire(engine: Engine, project_id: str, days: int, at: datetime | None = None) -> Counts:
    """What was removed, by kind; an audit row says so where it is anything. `at` is the present moment."""
    before = (at or now()) - timedelta(days=days)
    counts: Counts = {}
    gone = Gone()
    with reading(engine) as session:
        start, last = session.execute(select(func.min(Event.seq) - 1, func.max(Event.seq))).one()
    while last is not None and start < last:
        start = _some(engine, project_id, before, start, counts, gone)
    if counts:
        _without_events(engine, project_id, gone, counts)
        with transaction(engine) as session:
            details = {"before": before.isoformat(timespec="seconds"), **counts}
            audit.write(session, project_id, ACTOR, EXPIRED, project_id, details)
    return counts


def _some(engine: Engine, project_id: str, before: datetime, start: int, counts: Counts, gone: Gone) -> int:
    """One transaction's worth of those above the number `start`; up to where none is left.

    Every number is looked at, though they are given in the order of arrival: a clock that was once ahead, and was set
    back, would otherwise keep all later events for as long as those that it made look new.
    """
    first = (
        select(Event.seq, Event.id, Event.kind, Event.conversation, Event.message, Event.user, Event.received_at)
        .where(stream(project_id), Event.seq > start, Event.seq <= start + LOOK, Event.received_at < before)
        .order_by(Event.seq)
        .limit(ROWS)
    )
    with reading(engine) as session:
        rows = session.execute(first).all()
    if not rows:
        return start + LOOK
    with transaction(engine) as session:
        for some in people.chunks(rows):
            numbers, ids = [row.seq for row in some], [row.id for row in some]
            _count(session, counts, Parked, (Parked.project_id == project_id) & Parked.event.in_(ids))
            untally(session, Event.seq.in_(numbers))
            _count(session, counts, Event, Event.seq.in_(numbers))
            messages = [row.message for row in some if row.kind == "message"]
            _count(session, counts, Message, (Message.project_id == project_id) & Message.id.in_(messages))
            for table in people.DERIVED if messages else ():
                _count(session, counts, table, people.derived_from(table, project_id, messages))
    gone.users.update(row.user for row in rows if row.user is not None)
    _go_on(engine, project_id, rows, gone)
    return int(rows[-1].seq) if len(rows) == ROWS else start + LOOK


def _go_on(engine: Engine, project_id: str, rows: Sequence[Any], gone: Gone) -> None:
    """Note which conversations of removed rows may have others: all that are not over with the oldest that is left."""
    users: dict[str, set[str]] = {}
    for row in rows:
        users.setdefault(row.conversation, set()).update(() if row.user is None else (row.user,))
    with reading(engine) as session:
        oldest = _oldest(session, project_id)
        first = rows[-1].seq + 1 if oldest is None else min(oldest, rows[-1].seq + 1)
        later = (Conversation.project_id == project_id, Conversation.touched >= first)
        for some in people.chunks(users):
            for name in session.scalars(select(Conversation.id).where(*later, Conversation.id.in_(some))):
                gone.conversations.setdefault(name, set()).update(users[name])


def _without_events(engine: Engine, project_id: str, gone: Gone, counts: Counts) -> None:
    """Of these conversations what is left, and of the users those who have no event any more."""
    of_project = stream(project_id)
    with reading(engine) as session:
        number = session.scalar(select(Project.number).where(Project.id == project_id)) or 0
        oldest = _oldest(session, project_id)
        there = select(Event.user).where(of_project, Event.user.is_not(None)).distinct()
        users = gone.users.difference(session.scalars(there, execution_options={"yield_per": ROWS}))
    over = (Conversation.project == number, Conversation.touched < oldest if oldest is not None else true())
    while True:
        with transaction(engine) as session:
            ended = session.scalars(select(Conversation.id).where(*over).limit(people.NAMES)).all()
            _count(session, counts, Conversation, (Conversation.project == number) & Conversation.id.in_(ended))
            session.execute(delete(Span).where(Span.project == number, Span.conversation.in_(ended)))
        if not ended:
            break
    for few in people.chunks(sorted(gone.conversations.items()), FEW):
        with transaction(engine) as session:
            refold(session, number, dict(few))
    for some in people.chunks(sorted(users)):
        with transaction(engine) as session:
            _count(session, counts, Person, (Person.project == number) & Person.user.in_(some))
    for some in people.chunks(sorted(gone.users)):
        with transaction(engine) as session:
            goes_on = exists().where(Conversation.project == number, Conversation.id == Participant.conversation)
            theirs = (Participant.project == number, Participant.user.in_(some))
            session.execute(delete(Participant).where(*theirs, ~goes_on))


def _oldest(session: Session, project_id: str) -> int | None:
    """The lowest number of its events."""
    return session.scalar(select(Event.seq).where(stream(project_id)).order_by(Event.seq).limit(1))


def _count(session: Session, counts: Counts, table: type[Base], which: ColumnElement[bool]) -> None:
    result: Any = session.execute(delete(table).where(which), execution_options={"synchronize_session": False})
    gone = result.rowcount if isinstance(result, CursorResult) else 0
    if gone:
        name = str(table.__tablename__)
        counts[name] = counts.get(name, 0) + gone
