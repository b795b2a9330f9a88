"""How far the event stream is settled, so that a reader who comes back never skips an event.

A sequence is handed out when a row is written, not when it commits. On PostgreSQL a transaction that took number 7
may commit after one that took 8, and whoever remembers "read up to 8" never sees 7. So each event carries the id of
its transaction, and the horizon is the oldest transaction still running (`pg_snapshot_xmin`): whatever stands below
is over and can be seen, whatever comes later stands at or above. SQLite has one writer at a time and the write lock
is taken before the first number is, so there the sequence is commit-ordered and is the horizon.

A horizon is a small JSON object: {"transaction": n} on PostgreSQL, {"seq": n} on SQLite.
"""

from typing import Any

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from unspoken.store.dialects import on_postgresql
from unspoken.store.tables import Event, Project


def horizon(session: Session) -> dict[str, Any]:
    """Everything below this is committed and visible to every later statement; nothing will ever be added below it."""
    if on_postgresql(session):
        return {"transaction": int(session.scalar(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")) or 0)}
    # Not the greatest number that is there: an erased last event would take the horizon back.
    return {"seq": session.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'events'")) or 0}


def stream(project_id: str) -> ColumnElement[bool]:
    """Which events are of the project, for a query that goes by `seq` or by horizons.

    The `+ 0` keeps SQLite from going by the index over (project, id) instead, from one end of it to the other.
    """
    return Event.project + 0 == select(Project.number).where(Project.id == project_id).scalar_subquery()


def touched_conversations(
    session: Session, project_id: str, since: dict[str, Any] | None, until: dict[str, Any]
) -> list[str]:
    """Conversations with an event between two horizons, sorted; all of them up to `until` when `since` is None."""
    within = [stream(project_id), *between(since, until)]
    return list(session.scalars(select(Event.conversation).where(*within).distinct().order_by(Event.conversation)))


def news(session: Session, project_id: str, since: dict[str, Any] | None) -> bool:
    """Whether an event of the project has come since that horizon and is below the present one."""
    within = [stream(project_id), *between(since, horizon(session))]
    return session.scalar(select(Event.seq).where(*within).limit(1)) is not None


def below(until: dict[str, Any], seq: int, transaction: int) -> bool:
    """Whether a reader who stopped at this horizon had seen an event of this number and transaction."""
    (unit, end), *_ = until.items()
    mine = seq if unit == "seq" else transaction + 1
    return bool(mine <= end)


def between(since: dict[str, Any] | None, until: dict[str, Any]) -> list[ColumnElement[bool]]:
    """Which events stand between two horizons; all below `until` when `since` is None or says nothing here."""
    (unit, end), *_ = until.items()
    # A horizon of another database, or from after this one (a restored backup), says nothing here: read everything.
    start = since.get(unit) if since else None
    if start is not None and start > end:
        start = None
    if unit == "transaction":
        return [Event.transaction < end, *([] if start is None else [Event.transaction >= start])]
    return [Event.transaction == 0, Event.seq <= end, *([] if start is None else [Event.seq > start])]
