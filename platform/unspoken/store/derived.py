"""Tables derived from events by store/fold.py, and so up to its watermark: each can be emptied and made anew."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from unspoken.store.columns import EventId, Instant
from unspoken.store.schema import Base, Numbered


class Conversation(Numbered, Base):
    """When something happened in it, and what: `kinds` has a bit for each kind of event, see fold.BITS.

    `touched` is the greatest event sequence that spoke of it.
    """

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    first_at: Mapped[datetime] = mapped_column(Instant)
    last_at: Mapped[datetime] = mapped_column(Instant)
    touched: Mapped[int] = mapped_column(BigInteger)
    kinds: Mapped[int] = mapped_column(BigInteger)
    # The second is the order in which people look at them.
    __table_args__ = (Index(None, "project", "touched"), Index(None, "project", "last_at", "id"))


class Span(Numbered, Base):
    """Where events of a conversation lie: all of them have numbers from `first_seq` to `last_seq` of one such row.

    A span is short (fold.BLOCK), so that reading a conversation by them looks at few events of others: this takes the
    place of an index by conversation on events, which every insert would pay for.
    """

    __tablename__ = "spans"
    conversation: Mapped[str] = mapped_column(String(200), primary_key=True)
    first_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last_seq: Mapped[int] = mapped_column(BigInteger)


class Participant(Numbered, Base):
    """That an event of the conversation names the user (a hash)."""

    __tablename__ = "participants"
    user: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation: Mapped[str] = mapped_column(String(200), primary_key=True)


class Parked(Numbered, Base):
    """An event below the watermark whose message had not come yet. The event itself is stored like any."""

    __tablename__ = "parked"
    event: Mapped[str] = mapped_column(EventId, primary_key=True)
    message: Mapped[str] = mapped_column(String(200))
    since: Mapped[datetime] = mapped_column(Instant)
    __table_args__ = (Index(None, "project", "message"),)


class Person(Numbered, Base):
    """The hash of somebody who stands in events."""

    __tablename__ = "people"
    user: Mapped[str] = mapped_column(String(64), primary_key=True)


class Tally(Numbered, Base):
    """How many events of a kind happened on a day (UTC, counted from 1970), and when the last one was received.

    `answers` are those of them that brought an assistant's message.
    """

    __tablename__ = "tallies"
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)
    answers: Mapped[int] = mapped_column(BigInteger)
    last_received_at: Mapped[datetime] = mapped_column(Instant)


class Watermark(Base):
    """How far a derivation of events has come: see store/horizon.py for what the number counts."""

    __tablename__ = "watermarks"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    horizon: Mapped[dict[str, Any]]
