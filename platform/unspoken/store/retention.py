"""Removing what is older than a project keeps: events, messages, and what was derived from them, in short transactions.

An event is as old as its arrival here (`received_at`), which no client's clock can move. Labels and pairs of a removed
message go too; the dataset that held them stays, and so do models: growing old withdraws nothing. An erasure later
withdraws all that was made before the last removal, because who was in it cannot be told any more.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Engine, delete, select, true
from sqlalchemy.orm import Session

from unspoken.store import audit, people, projects
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.fold import untally
from unspoken.store.horizon import stream
from unspoken.store.tables import Base, Conversation, Event, Message, Parked, Person, Project

ROWS = 2_000  # events in one transaction: some 20 ms of SQLite's write lock
ACTOR = "retention"
EXPIRED = "events.expired"  # in the audit
Counts = dict[str, int]


def due(session: Session) -> list[tuple[str, int]]:
    """(project id, days) of every project that keeps its events for so many days only."""
    every = ((project.id, projects.rules(project).retention_days) for project in session.scalars(select(Project)))
    return [(project, days) for project, days in every if days is not None]


def expire(engine: Engine, project_id: str, days: int, at: datetime | None = None) -> Counts:
    """What was removed, by kind; an audit row says so where it is anything. `at` is the present moment."""
    before = (at or now()) - timedelta(days=days)
    counts: Counts = {}
    users: set[str] = set()
    while _some(engine, project_id, before, counts, users):
        pass
    if counts:
        _without_events(engine, project_id, users, counts)
        with transaction(engine) as session:
            details = {"before": before.isoformat(timespec="seconds"), **counts}
            audit.write(session, project_id, ACTOR, EXPIRED, project_id, details)
    return counts


def _some(engine: Engine, project_id: str, before: datetime, counts: Counts, users: set[str]) -> bool:
    """One transaction's worth; whether there may be more. Numbers are given in the order of arrival, give or take.

    `users` gets whose events went.
    """
    first = (
        select(Event.seq, Event.id, Event.kind, Event.message, Event.user, Event.received_at)
        .where(stream(project_id))
        .order_by(Event.seq)
        .limit(ROWS)
    )
    with reading(engine) as session:
        found = session.execute(first).all()
    rows = [row for row in found if row.received_at < before]
    if not rows:
        return False
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
    users.update(row.user for row in rows if row.user is not None)
    return len(rows) == ROWS


def _without_events(engine: Engine, project_id: str, users: set[str], counts: Counts) -> None:
    """Conversations whose last event is gone, and of the users those who have no event any more."""
    of_project = stream(project_id)
    with reading(engine) as session:
        oldest = session.scalar(select(Event.seq).where(of_project).order_by(Event.seq).limit(1))
        there = select(Event.user).where(of_project, Event.user.is_not(None)).distinct()
        gone = users.difference(session.scalars(there, execution_options={"yield_per": ROWS}))
    with transaction(engine) as session:
        over = Conversation.touched < oldest if oldest is not None else true()
        _count(session, counts, Conversation, (Conversation.project_id == project_id) & over)
    for some in people.chunks(sorted(gone)):
        with transaction(engine) as session:
            _count(session, counts, Person, (Person.project_id == project_id) & Person.user.in_(some))


def _count(session: Session, counts: Counts, table: type[Base], which: ColumnElement[bool]) -> None:
    result: Any = session.execute(delete(table).where(which), execution_options={"synchronize_session": False})
    gone = result.rowcount if isinstance(result, CursorResult) else 0
    if gone:
        name = str(table.__tablename__)
        counts[name] = counts.get(name, 0) + gone
