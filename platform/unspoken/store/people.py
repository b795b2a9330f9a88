"""What of a project is one user's: what an export gives them, and what an erasure removes.

A conversation in which nobody else took part is theirs as a whole. In a shared one theirs are their messages, every
machine-written message below one of those (it was written with their words in view), all events about these messages,
and the events of their own. What other people wrote there stays, whatever it answers.

An event that names no user, in a conversation that another person shares, is nobody's. Events are searched from end to
end, once for the user and once for every AT_ONCE of their conversations: there is no index for what is so rare.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from unspoken.store.horizon import stream
from unspoken.store.tables import Base, Dataset, Event, Label, Message, Pair, Unpaired

T = TypeVar("T")
NAMES = 500  # ids in one IN (…) of a statement that has an index
AT_ONCE = 2_000  # conversations in one search
DERIVED: tuple[type[Base], ...] = (Label, Pair, Unpaired)


class Found(NamedTuple):
    """Where a user is: their conversations, and the least sequence and transaction of an event of theirs."""

    conversations: tuple[str, ...] = ()
    seq: int = 0
    transaction: int = 0


@dataclass
class Part:
    """What of one conversation is theirs.

    `events`: by sequence number; `messages`: by id; `every`: all message ids there, theirs or not.
    """

    conversation: str
    whole: bool
    events: list[int]
    messages: list[str]
    every: list[str]


def find(session: Session, project_id: str, user: str) -> Found | None:
    """None where no event names the user (a hash)."""
    rows = session.execute(
        select(Event.conversation, func.min(Event.seq), func.min(Event.transaction))
        .where(stream(project_id), Event.user == user)
        .group_by(Event.conversation)
    ).all()
    if not rows:
        return None
    names, sequences, transactions = zip(*rows, strict=True)
    return Found(tuple(sorted(names)), min(sequences), min(transactions))


def parts(session: Session, project_id: str, user: str, conversations: Sequence[str]) -> Iterator[Part]:
    """One for each of the conversations, in their order."""
    columns = select(Event.conversation, Event.seq, Event.kind, Event.user, Event.message)
    for some in chunks(conversations, AT_ONCE):
        events: dict[str, list[tuple[int, str, str | None, str | None]]] = {each: [] for each in some}
        found = session.execute(columns.where(stream(project_id), Event.conversation.in_(some)))
        for conversation, seq, kind, who, message in found:
            events[conversation].append((seq, kind, who, message))
        for conversation in some:
            yield _part(session, project_id, user, conversation, events.pop(conversation))


def derived_of(table: type[Base], project_id: str, user: str, messages: Sequence[str]) -> ColumnElement[bool]:
    """Condition on a table of DERIVED: that a row is about the user, or about one of at most NAMES messages."""
    column: Any = table.__table__.c
    theirs: ColumnElement[bool] = column.user == user
    return _in_project(table, project_id) & or_(theirs, *_about(table, messages))


def derived_from(table: type[Base], project_id: str, messages: Sequence[str]) -> ColumnElement[bool]:
    """Condition on a table of DERIVED: that a row is about one of at most NAMES messages, whoever's."""
    return _in_project(table, project_id) & or_(*_about(table, messages))


def chunks(values: Iterable[T], size: int = NAMES) -> Iterator[list[T]]:
    """At most so many of them at a time."""
    every = list(values)
    for start in range(0, len(every), size):
        yield every[start : start + size]


def _in_project(table: type[Base], project_id: str) -> ColumnElement[bool]:
    column: Any = table.__table__.c
    here: ColumnElement[bool] = column.dataset_id.in_(select(Dataset.id).where(Dataset.project_id == project_id))
    return here


def _about(table: type[Base], messages: Sequence[str]) -> list[ColumnElement[bool]]:
    column: Any = table.__table__.c
    return [column[name].in_(messages) for name in ("message", "prompt", "chosen", "rejected") if name in column]


def _part(
    session: Session,
    project_id: str,
    user: str,
    conversation: str,
    events: Sequence[tuple[int, str, str | None, str | None]],
) -> Part:
    every = list(dict.fromkeys(message for _, kind, _, message in events if kind == "message" and message))
    if all(who in (None, user) for _, _, who, _ in events):
        return Part(conversation, True, [seq for seq, *_ in events], every, every)
    columns = select(Message.id, Message.parent, Message.role, Message.user)
    written = [
        row
        for some in chunks(every)
        for row in session.execute(columns.where(Message.project_id == project_id, Message.id.in_(some)))
    ]
    # Who wrote a message may be told by a later event than the one that brought its text.
    named = {message for _, kind, who, message in events if kind == "message" and who == user}
    rows = [(each.id, each.parent, each.role, each.user) for each in written]
    theirs = _theirs([(*row, user if who is None and row[0] in named else who) for *row, who in rows], user)
    about = [seq for seq, _, who, message in events if who == user or message in theirs]
    return Part(conversation, False, about, sorted(theirs), every)


def _theirs(messages: Sequence[tuple[str, str | None, str, str | None]], user: str) -> set[str]:
    """Of a shared conversation's (id, parent, role, user): those the user wrote, and what machines wrote below them."""
    below: dict[str | None, list[str]] = {}
    for message, parent, *_ in messages:
        below.setdefault(parent, []).append(message)
    by_machine = {message for message, _, role, writer in messages if writer is None and role != "user"}
    written = {message for message, _, _, writer in messages if writer == user}
    seen: set[str] = set()
    waiting = list(written)
    while waiting:
        at = waiting.pop()
        if at not in seen:
            seen.add(at)
            waiting += below.get(at, [])
    return written | (seen & by_machine)
