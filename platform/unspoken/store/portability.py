"""Everything a project holds of one user, for the user: the same rows that an erasure would remove.

Other people's hashes, and what other people wrote in shared conversations, their comments too, are not given.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.store import people
from unspoken.store.columns import now
from unspoken.store.horizon import below
from unspoken.store.tables import Base, Dataset, Erasure, Event, Message, Model, Quarantine

Line = dict[str, Any]
# Of other people, or of no meaning outside of this database.
KEPT_BACK = frozenset(
    {"project", "project_id", "seq", "transaction", "user", "people", "dataset_id", "folder", "digest"}
)
# Of an event of somebody else about their messages: where it was done from, and what was said in words.
OF_OTHERS = frozenset({"page", "n", "session", "device", "arm", "consent"})
WORDS = frozenset({"comment", "reasons"})
NAMES: Mapping[type[Base], str] = dict(zip(people.DERIVED, ("label", "pair", "unpaired"), strict=True))


def lines(session: Session, project_id: str, user: str) -> Iterator[Line]:
    """One object a line, each with its `type`; the last, of type `end`, counts the others, so that a cut is seen.

    `user` is the hash. JSON values only but for times, which are datetimes in UTC.
    """
    counts: dict[str, int] = {}
    for line in _lines(session, project_id, user):
        counts[line["type"]] = counts.get(line["type"], 0) + 1
        yield line
    yield {"type": "end", "at": now(), "counts": counts}


def _lines(session: Session, project_id: str, user: str) -> Iterator[Line]:
    yield {"type": "user", "hash": user}
    found = people.find(session, project_id, user)
    messages: list[str] = []
    for part in people.parts(session, project_id, user, found.conversations if found else ()):
        messages += part.messages
        for some in people.chunks(part.messages):
            texts = select(Message).where(Message.project_id == project_id, Message.id.in_(some))
            for message in session.scalars(texts.order_by(Message.occurred_at, Message.id)):
                yield {"type": "message", **_row(message), "yours": message.user == user}
        for numbers in people.chunks(part.events):
            for event in session.scalars(select(Event).where(Event.seq.in_(numbers)).order_by(Event.seq)):
                theirs = event.user == user
                yield {"type": "event", **(_row(event) if theirs or part.whole else _shared(event)), "yours": theirs}
        session.expunge_all()
    yield from _derived(session, project_id, user, messages)
    yield from _models(session, project_id, user, found)
    for table in (Quarantine, Erasure):
        for row in session.scalars(select(table).where(table.project_id == project_id, table.user == user)):
            yield {"type": table.__name__.lower(), **_row(row)}


def _derived(session: Session, project_id: str, user: str, messages: Sequence[str]) -> Iterator[Line]:
    given: set[tuple[str, int]] = set()
    for some in [*people.chunks(messages)] or [[]]:
        for table, name in NAMES.items():
            row: Any
            for row in session.scalars(select(table).where(people.derived_of(table, project_id, user, some))):
                if (name, row.seq) not in given:
                    given.add((name, row.seq))
                    yield {"type": name, "dataset": row.dataset_id, **_row(row)}


def _models(session: Session, project_id: str, user: str, found: people.Found | None) -> Iterator[Line]:
    if found is None:
        return
    trained = (
        select(Model, Dataset.horizon)
        .join(Dataset, Model.dataset_id == Dataset.id)
        .where(Model.project_id == project_id)
        .order_by(Model.created_at)
    )
    for model, horizon in session.execute(trained):
        if below(horizon, found.seq, found.transaction):
            yield {
                "type": "model",
                "id": model.id,
                "family": model.family,
                "dataset": model.dataset_id,
                "created_at": model.created_at,
                "withdrawn_at": model.withdrawn_at,
            }


def _shared(event: Event) -> Line:
    """What was done about a message of theirs by somebody else, or by nobody knows whom."""
    line = {name: value for name, value in _row(event).items() if name not in OF_OTHERS}
    return line | {"fields": {name: value for name, value in event.fields.items() if name not in WORDS}}


def _row(row: Base) -> Line:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key not in KEPT_BACK}
