"""A project's stored events as the frames that labelling takes. Rows are streamed, so memory holds frames, not rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from unspoken.frames import EVENTS, FIELDS, MESSAGES, Schema, empty
from unspoken.store.bulk import blocks
from unspoken.store.horizon import stream
from unspoken.store.own_fields import canonical, own_fields
from unspoken.store.tables import Event, Message, Project

ROWS = 50_000
NAMES = 500  # ids in one IN (…)
STORED: Schema = {**EVENTS, "consent": pl.String, "received_at": pl.Int64, "seq": pl.Int64}
_NUMBERS = ("at", "n", "chars", "received_at", "seq")
_ENVELOPE = [name for name in EVENTS if name not in FIELDS]


def read_messages(session: Session, project_id: str, conversations: Sequence[str] | None = None) -> pl.DataFrame:
    """frames.MESSAGES, by time and then id; of all conversations, or of those named."""
    frames = [
        frame
        for within in _within(Message.conversation, conversations)
        for frame in message_blocks(session, of_messages(project_id) & within)
    ]
    return _joined(frames, MESSAGES).sort("at", "message")


def read_events(session: Session, project_id: str, conversations: Sequence[str] | None = None) -> pl.DataFrame:
    """frames.EVENTS, by time and then id; of all conversations, or of those named. No text is read."""
    frames = [
        frame.select(list(EVENTS))
        for within in _within(Event.conversation, conversations)
        for frame in event_blocks(session, stream(project_id) & within)
    ]
    return _joined(frames, EVENTS).sort("at", "event")


def read_texts(session: Session, project_id: str, messages: Sequence[str] | None = None) -> dict[str, str]:
    """Text by message id, of all messages or of those named; an id that is not known is left out."""
    columns = select(Message.id, Message.text).where(Message.project_id == project_id)
    texts: dict[str, str] = {}
    for within in _within(Message.id, messages):
        found = session.execute(columns.where(within), execution_options={"yield_per": ROWS})
        texts.update((message, text) for message, text in found)
    return texts


def of_messages(project_id: str) -> ColumnElement[bool]:
    """Which messages are of the project, for a query that reads them all; `+ 0` as in horizon.stream."""
    return Message.project + 0 == select(Project.number).where(Project.id == project_id).scalar_subquery()


def message_blocks(session: Session, which: ColumnElement[bool]) -> Iterator[pl.DataFrame]:
    """frames.MESSAGES of those messages, in no order, a block at a time."""
    columns = select(
        Message.id,
        Message.conversation,
        Message.parent,
        Message.role,
        Message.user,
        Message.occurred_at,
        Message.finish,
        func.length(Message.text),
        Message.digest,
    ).where(which)
    for rows in _blocks(session, columns, list(MESSAGES)):
        yield rows.cast(dict(MESSAGES))  # type: ignore[arg-type]  # a plain dict of names and types is what it takes


def event_blocks(session: Session, which: ColumnElement[bool]) -> Iterator[pl.DataFrame]:
    """STORED of those events, in no order, a block at a time."""
    columns = select(
        Event.id,
        Event.kind,
        Event.occurred_at,
        Event.conversation,
        Event.user,
        Event.message,
        Event.page,
        Event.n,
        Event.device,
        Event.arm,
        Event.consent,
        Event.received_at,
        Event.seq,
        Event.fields,
    ).where(which)
    for rows in _blocks(session, columns, [*_ENVELOPE, "consent", "received_at", "seq", "fields"]):
        said = own_fields(rows["kind"], rows["fields"])
        yield rows.select(
            *(pl.col(name).cast(EVENTS[name]) for name in _ENVELOPE if name != "arm"),
            canonical(rows["arm"]),
            *said,
            "consent",
            "received_at",
            "seq",
        )


def _blocks(session: Session, columns: Select[*tuple[Any, ...]], names: Sequence[str]) -> Iterator[pl.DataFrame]:
    return blocks(session, columns, {name: pl.Int64 if name in _NUMBERS else pl.String for name in names})


def _within(column: InstrumentedAttribute[str], names: Sequence[str] | None) -> Iterator[ColumnElement[bool]]:
    if names is None:
        yield true()
        return
    for start in range(0, len(names), NAMES):
        yield column.in_(names[start : start + NAMES])


def _joined(frames: Sequence[pl.DataFrame], schema: Schema) -> pl.DataFrame:
    return pl.concat(frames).select(list(schema)) if frames else empty(schema)
