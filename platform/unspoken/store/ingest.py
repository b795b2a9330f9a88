"""Events into the tables, once for ever. Never commits: the caller's transaction is the promise.

* The same event id twice is one event: the second is counted as repeated, whatever it holds.
* Two events may carry one message (the browser and the server both report it). The first one's text stays. A later
  event that gives the same message id another text, role, conversation or parent is a *conflict*: it is not stored,
  and the receipt names it, because storing it would drop its text without a word.
* An event whose message is not known is stored and parked; the parked row goes when the message comes. Two
  transactions on PostgreSQL that bring event and message at the same moment do not see each other, so a parked row
  may outlive its wait: `waiting` therefore counts only those whose message is still not there.

Rows are written in the order of their keys, so that overlapping batches queue up and cannot deadlock; `seq` is
therefore no order of arrival within a batch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Insert, delete, exists, func, select, text
from sqlalchemy.orm import Session

from unspoken.events import Event as Sent
from unspoken.events import Message as SentMessage
from unspoken.events import digest, hash_user, occurred_at, own_fields
from unspoken.store.dialects import insert, insert_or_skip, on_postgresql
from unspoken.store.tables import Conversation, Event, Message, Parked, Project

CHUNK = 500  # ids in one IN (…): far below what either database takes


@dataclass(frozen=True)
class Receipt:
    """`stored` + `repeated` + the number of `conflicts` (event ids) is the number of events given."""

    stored: int
    repeated: int
    conflicts: tuple[str, ...] = ()


def ingest(
    session: Session, project: Project, events: Sequence[Sent], *, sent_at: datetime | None, received_at: datetime
) -> Receipt:
    """Stores what is new, in the session's transaction; `sent_at` is the client's clock at sending, if known."""
    first: dict[str, Sent] = {}
    for event in events:
        first.setdefault(event.id, event)
    hashed = cache(lambda user: hash_user(project.user_secret, user))
    transaction = _transaction(session)
    rows = [_row(first[each], project.id, hashed, transaction, sent_at, received_at) for each in sorted(first)]
    stored = _insert_events(session, rows)
    conflicts = _insert_messages(session, project.id, first, [row for row in rows if row["id"] in stored])
    if conflicts:
        _forget(session, project.id, conflicts)
    kept = stored.keys() - conflicts
    new = [row | {"seq": stored[row["id"]]} for row in rows if row["id"] in kept]
    _touch(session, project.id, new)
    _park(session, project.id, new, received_at)
    return Receipt(len(new), len(events) - len(new) - len(conflicts), tuple(sorted(conflicts)))


def waiting(session: Session, project_id: str) -> int:
    """How many events wait for a message that has not come."""
    known = exists().where(Message.project_id == Parked.project_id, Message.id == Parked.message)
    return session.scalar(select(func.count()).select_from(Parked).where(Parked.project_id == project_id, ~known)) or 0


def _transaction(session: Session) -> int:
    if not on_postgresql(session):
        return 0
    return int(session.scalar(text("SELECT pg_current_xact_id()::text")) or 0)


def _row(
    event: Sent,
    project_id: str,
    hashed: Callable[[str], str],
    transaction: int,
    sent_at: datetime | None,
    received_at: datetime,
) -> dict[str, Any]:
    return {
        "project_id": project_id,
        "id": event.id,
        "kind": event.kind,
        "at": event.at,
        "sent_at": sent_at,
        "received_at": received_at,
        "occurred_at": occurred_at(event.at, sent_at, received_at),
        "conversation": event.conversation,
        "user": None if event.user is None else hashed(event.user),
        "message": event.message,
        "page": event.page,
        "n": event.n,
        "session": event.session,
        "device": event.device,
        "arm": event.arm,
        "consent": event.consent,
        "fields": own_fields(event),
        "transaction": transaction,
    }


def _insert_events(session: Session, rows: list[dict[str, Any]]) -> dict[str, int]:
    """The sequence number of each event that was not there before, by id."""
    if not rows:
        return {}
    returned = session.execute(insert_or_skip(session, Event).returning(Event.id, Event.seq), rows)
    return {event: seq for event, seq in returned}


def _insert_messages(session: Session, project_id: str, first: dict[str, Sent], rows: list[dict[str, Any]]) -> set[str]:
    """Writes the messages of new events; the ids of those events that contradict a message that was there first."""
    told: dict[str, list[tuple[SentMessage, dict[str, Any]]]] = {}
    order = {event: place for place, event in enumerate(first)}
    for row in sorted(rows, key=lambda row: order[row["id"]]):
        event = first[row["id"]]
        if isinstance(event, SentMessage):
            told.setdefault(event.message, []).append((event, row))
    if not told:
        return set()
    written = [_message_row(*told[message][0]) for message in sorted(told)]
    returned = session.execute(insert_or_skip(session, Message).returning(Message.id), written)
    fresh = set(returned.scalars())
    doubtful = [message for message, events in told.items() if message not in fresh or len(events) > 1]
    return {
        event.id
        for known in _messages(session, project_id, doubtful)
        for event, _ in told[known.id]
        if _contradicts(event, known)
    }


def _message_row(event: SentMessage, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "project_id": row["project_id"],
        "id": event.message,
        "conversation": event.conversation,
        "parent": event.parent,
        "role": event.role,
        "user": row["user"],
        "text": event.text,
        "digest": digest(event.text),
        "model": event.model,
        "finish": event.finish,
        "occurred_at": row["occurred_at"],
    }


def _contradicts(event: SentMessage, known: Message) -> bool:
    if (event.text, event.role, event.conversation) != (known.text, known.role, known.conversation):
        return True
    return event.parent is not None and event.parent != known.parent


def _messages(session: Session, project_id: str, ids: Sequence[str]) -> Iterator[Message]:
    for some in _chunks(ids):
        yield from session.scalars(select(Message).where(Message.project_id == project_id, Message.id.in_(some)))


def _forget(session: Session, project_id: str, events: Iterable[str]) -> None:
    """Takes back events that this very transaction wrote."""
    for some in _chunks(sorted(events)):
        session.execute(delete(Event).where(Event.project_id == project_id, Event.id.in_(some)))


def _touch(session: Session, project_id: str, rows: list[dict[str, Any]]) -> None:
    """Widens each conversation to the new events and marks it as touched by the last of them."""
    spans: dict[str, dict[str, Any]] = {}
    for row in rows:
        at, seq = row["occurred_at"], row["seq"]
        span = spans.setdefault(
            row["conversation"],
            {"project_id": project_id, "id": row["conversation"], "first_at": at, "last_at": at, "touched": seq},
        )
        span |= {
            "first_at": min(span["first_at"], at),
            "last_at": max(span["last_at"], at),
            "touched": max(span["touched"], seq),
        }
    if not spans:
        return
    least, greatest = (func.least, func.greatest) if on_postgresql(session) else (func.min, func.max)
    statement = insert(session, Conversation)
    given = statement.excluded
    upsert: Insert = statement.on_conflict_do_update(
        index_elements=["project_id", "id"],
        set_={
            "first_at": least(Conversation.first_at, given.first_at),
            "last_at": greatest(Conversation.last_at, given.last_at),
            "touched": greatest(Conversation.touched, given.touched),
        },
    )
    session.execute(upsert, [spans[conversation] for conversation in sorted(spans)])


def _park(session: Session, project_id: str, rows: list[dict[str, Any]], received_at: datetime) -> None:
    """Parks the new events whose message is not known, and releases those that waited for a message of this batch."""
    come = sorted({row["message"] for row in rows if row["kind"] == "message"})
    for some in _chunks(come):
        session.execute(delete(Parked).where(Parked.project_id == project_id, Parked.message.in_(some)))
    named = {row["message"] for row in rows if row["message"] is not None}.difference(come)
    known: set[str] = set()
    for some in _chunks(sorted(named)):
        known.update(session.scalars(select(Message.id).where(Message.project_id == project_id, Message.id.in_(some))))
    parked = [
        {"project_id": project_id, "event": row["id"], "message": row["message"], "since": received_at}
        for row in rows
        if row["message"] in named - known
    ]
    if parked:
        session.execute(insert_or_skip(session, Parked), parked)


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
