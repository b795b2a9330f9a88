"""Every table. Users are keyed hashes; message text stands in `messages` alone; labels and pairs hold ids only.

Events, messages and what is derived from them (store/derived.py) name their project by its `number`, not by its id, and
count times in microseconds: at a hundred million rows the width of a row is the speed of the database. What is made of
them stands in store/made.py.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from unspoken.store.columns import EventId, Instant, Serial, new_id, now
from unspoken.store.derived import Conversation, Parked, Participant, Person, Span, Tally, Watermark
from unspoken.store.made import Dataset, EvaluationSet, Job, Label, Model, Pair, Promotion, Report, Schedule, Unpaired
from unspoken.store.schema import Base, Numbered, Project

__all__ = [
    "Audit",
    "Base",
    "Conversation",
    "Dataset",
    "Erasure",
    "EvaluationSet",
    "Event",
    "Job",
    "Key",
    "Label",
    "Message",
    "Model",
    "Numbered",
    "Pair",
    "Parked",
    "Participant",
    "Person",
    "Project",
    "Promotion",
    "Quarantine",
    "Report",
    "Schedule",
    "Span",
    "Tally",
    "Unpaired",
    "Watermark",
]


class Key(Base):
    """An API key: only its SHA-256 is kept. `role`: write, secret, research, admin.

    `origins` are the pages a write key may be used from (null: any); `events_per_s` overrules the setting;
    `replaces` is the key that this one was made to follow, which works on until its `expires_at`.
    """

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200), default="")
    origins: Mapped[list[str] | None]
    events_per_s: Mapped[float | None]
    replaces: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Message(Numbered, Base):
    """The one place of text. `user` is the hash of who wrote it; `digest` is of the normalised text."""

    __tablename__ = "messages"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    conversation: Mapped[str] = mapped_column(String(200))
    parent: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    user: Mapped[str | None] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(32))
    model: Mapped[str | None] = mapped_column(String(200))
    finish: Mapped[str | None] = mapped_column(String(16))
    occurred_at: Mapped[datetime] = mapped_column(Instant)


class Event(Numbered, Base):
    """One event, for ever: (project, id) is unique. `fields` holds the kind's own fields, never a message's text.

    `transaction` is PostgreSQL's transaction id (pg_current_xact_id), 0 on SQLite, where one writer makes `seq`
    commit-ordered by itself: see store/horizon.py. There is no index by conversation or user: entries of a new event
    would fall all over such an index, which at twenty million rows halves the rate; see store/fold.py.
    """

    __tablename__ = "events"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    project: Mapped[int] = mapped_column(Integer)
    id: Mapped[str] = mapped_column(EventId)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    received_at: Mapped[datetime] = mapped_column(Instant)
    occurred_at: Mapped[datetime] = mapped_column(Instant)
    conversation: Mapped[str] = mapped_column(String(200))
    user: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str | None] = mapped_column(String(200))
    page: Mapped[str | None] = mapped_column(String(200))
    n: Mapped[int | None] = mapped_column(BigInteger)
    session: Mapped[str | None] = mapped_column(String(200))
    device: Mapped[str | None] = mapped_column(String(16))
    arm: Mapped[dict[str, Any] | None]
    consent: Mapped[str | None] = mapped_column(String(200))
    fields: Mapped[dict[str, Any]]
    transaction: Mapped[int] = mapped_column(BigInteger, default=0)
    __table_args__ = (
        UniqueConstraint("project", "id"),
        # A few bytes for a hundred pages of rows, since transactions grow with the table; on SQLite it has no entries.
        Index(None, "transaction", postgresql_using="brin", sqlite_where=text('"transaction" <> 0')),
        # Otherwise SQLite gives the numbers of erased last rows out again, below a horizon that was taken before.
        {"sqlite_autoincrement": True},
    )


class Audit(Base):
    """Who did what to keys, models, users' data. No message text."""

    __tablename__ = "audit"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    project_id: Mapped[str | None] = mapped_column(String(64), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Quarantine(Base):
    """A user whose evidence is left out, why, and until when it was (undo keeps the row)."""

    __tablename__ = "quarantine"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    user: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(default=now)
    undone_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "project_id", "user"),)


class Erasure(Base):
    """A user whose data was erased: the hash stays, so that a late or repeated event from before does not come back.

    `before` is when it was asked for, or the time of their latest event, whose clock may have been ahead. `counts` says
    what was removed from where; `finished_at` is set when the last place was searched.
    """

    __tablename__ = "erasures"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    user: Mapped[str] = mapped_column(String(64))
    asked_by: Mapped[str] = mapped_column(String(200))
    asked_at: Mapped[datetime] = mapped_column(default=now)
    before: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    __table_args__ = (Index(None, "project_id", "user"), {"sqlite_autoincrement": True})
