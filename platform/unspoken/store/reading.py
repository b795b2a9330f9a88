"""A project's stored events as the frames that labelling takes. Rows are streamed, so memory holds frames, not rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
from sqlalchemy import BigInteger, ColumnElement, Row, Select, Text, cast, func, select, true, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from unspoken.frames import EVENTS, MESSAGES, Schema, empty
from unspoken.store.tables import Event, Message

ROWS = 50_000
NAMES = 500  # ids in one IN (…)


def read_messages(session: Session, project_id: str, conversations: Sequence[str] | None = None) -> pl.DataFrame:
    """frames.MESSAGES, by time and then id; of all conversations, or of those named."""
    columns = select(
        Message.id,
        Message.conversation,
        Message.parent,
        Message.role,
        Message.user,
        type_coerce(Message.occurred_at, BigInteger),
        Message.finish,
        func.length(Message.text),
        Message.digest,
    ).where(Message.project_id == project_id)
    frames = [
        _frame(session, columns.where(within), MESSAGES) for within in _within(Message.conversation, conversations)
    ]
    return _joined(frames, MESSAGES).sort("at", "message")


def read_events(session: Session, project_id: str, conversations: Sequence[str] | None = None) -> pl.DataFrame:
    """frames.EVENTS, by time and then id; of all conversations, or of those named. No text is read."""
    columns = select(
        cast(Event.id, Text),
        Event.kind,
        type_coerce(Event.occurred_at, BigInteger),
        Event.conversation,
        Event.user,
        Event.message,
        cast(Event.fields, Text),
    ).where(Event.project_id == project_id)
    frames = [_frame(session, columns.where(within), EVENTS) for within in _within(Event.conversation, conversations)]
    return _joined(frames, EVENTS).sort("at", "event")


def read_texts(session: Session, project_id: str, messages: Sequence[str] | None = None) -> dict[str, str]:
    """Text by message id, of all messages or of those named; an id that is not known is left out."""
    columns = select(Message.id, Message.text).where(Message.project_id == project_id)
    texts: dict[str, str] = {}
    for within in _within(Message.id, messages):
        found = session.execute(columns.where(within), execution_options={"yield_per": ROWS})
        texts.update((message, text) for message, text in found)
    return texts


def _within(column: InstrumentedAttribute[str], names: Sequence[str] | None) -> Iterator[ColumnElement[bool]]:
    if names is None:
        yield true()
        return
    for start in range(0, len(names), NAMES):
        yield column.in_(names[start : start + NAMES])


def _frame(session: Session, statement: Select[*tuple[Any, ...]], schema: Schema) -> pl.DataFrame:
    found = session.execute(statement, execution_options={"yield_per": ROWS})
    return _joined([_columns(rows, schema) for rows in found.partitions()], schema)


def _columns(rows: Sequence[Row[*tuple[Any, ...]]], schema: Schema) -> pl.DataFrame:
    """Column by column, which takes half the time of row by row; times come as the microseconds that polars counts."""
    columns = zip(schema.items(), zip(*rows, strict=True), strict=True)
    return pl.DataFrame(
        [
            pl.Series(name, values, pl.Int64 if isinstance(kind, pl.Datetime) else kind)
            for (name, kind), values in columns
        ]
    ).cast(dict(schema))  # type: ignore[arg-type]  # a plain dict of names and types is what it takes


def _joined(frames: Sequence[pl.DataFrame], schema: Schema) -> pl.DataFrame:
    return pl.concat(frames) if frames else empty(schema)
