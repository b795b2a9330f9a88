"""One conversation, for somebody who reads it: its messages as they hang together, and everything that was done there.

Read are its newest MOST events, by their numbers (store/spans.py), and what has come since the last fold; texts only of
the messages that are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, cast, func, select
from sqlalchemy.orm import Session

from unspoken.store import spans
from unspoken.store.fold import unfolded
from unspoken.store.people import chunks
from unspoken.store.tables import Dataset, Event, Label, Message

MOST = 12_000
MOST_CHARS = 3_000_000  # of what those events hold beside their envelope; in memory that takes ten times as much
SPANS = 5_000
TAIL = 20_000  # numbers of events, as far back as those are looked for that are not folded yet


@dataclass(frozen=True)
class Act:
    """One event. `user` is a hash."""

    seq: int
    id: str
    kind: str
    at: datetime
    message: str | None
    user: str | None
    page: str | None
    session: str | None
    device: str | None
    arm: dict[str, Any] | None
    consent: str | None
    fields: dict[str, Any]


@dataclass(frozen=True)
class Talk:
    """`acts` by time; `more`: there are earlier ones that were not read."""

    acts: list[Act]
    more: bool


@dataclass(frozen=True)
class Text:
    """The beginning of a message's text, and how many characters the whole has."""

    said: str
    length: int


def read(session: Session, project: int, conversation: str, most: int = MOST) -> Talk:
    """Everything of the conversation, as far as it is read; nothing at all where there is none in the project."""
    columns = select(
        Event.seq, Event.id, Event.kind, Event.occurred_at, Event.message, Event.user, Event.page, Event.session,
        Event.device, Event.arm, Event.consent, Event.fields, func.length(cast(Event.fields, String)).label("size"),
    )  # fmt: skip
    last = session.scalar(select(func.max(Event.seq))) or 0
    # The `+ 0` keeps SQLite from going by the index over (project, id) instead.
    tail = [
        Event.project + 0 == project,
        Event.conversation == conversation,
        unfolded(session),
        Event.seq > last - TAIL,
    ]
    # Here too: with the plain number SQLite reads the whole table backwards, because it comes in this order.
    order = (Event.seq + 0).desc()
    acts: dict[int, Act] = {}
    room = MOST_CHARS
    for piece in [tail, *spans.folded(session, project, [conversation], SPANS)]:
        newest = columns.where(*piece).order_by(order).limit(most + 1 - len(acts))
        with session.execute(newest, execution_options={"yield_per": 200}) as rows:
            for *act, size in rows:
                acts[act[0]] = Act(*act)
                room -= size
                if room < 0:  # not this one any more
                    most = min(most, len(acts) - 1)
                    break
        if len(acts) > most:
            break
    kept = [acts[seq] for seq in sorted(acts, reverse=True)[:most]]
    return Talk(sorted(kept, key=lambda act: (act.at, act.seq)), len(acts) > most)


def texts(session: Session, project: int, conversation: str, messages: Sequence[str], most: int) -> dict[str, Text]:
    """At most so many characters of each of these messages of the conversation."""
    columns = select(Message.id, func.substr(Message.text, 1, most), func.length(Message.text))
    here = (Message.project == project, Message.conversation == conversation)
    return {
        message: Text(said, length)
        for some in chunks(messages)
        for message, said, length in session.execute(columns.where(*here, Message.id.in_(some)))
    }


def labels(session: Session, project_id: str, messages: Sequence[str]) -> dict[str, list[Label]]:
    """Of the project's newest whole dataset that was not withdrawn: what it says of each of at most 500 messages."""
    newest = (
        select(Dataset.id)
        .where(Dataset.project_id == project_id, Dataset.finished_at.is_not(None), Dataset.withdrawn_at.is_(None))
        .order_by(Dataset.created_at.desc())
        .limit(1)
    )
    found: dict[str, list[Label]] = {}
    dataset = session.scalar(newest)
    if dataset is None or not messages:
        return found
    mine = (Label.dataset_id == dataset, Label.message.in_(messages))
    for label in session.scalars(select(Label).where(*mine).order_by(Label.family.desc(), Label.seq)):
        found.setdefault(label.message, []).append(label)
    return found
