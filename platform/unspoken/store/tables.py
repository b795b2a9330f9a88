"""Every table. Users are keyed hashes; message text stands in `messages` alone; labels and pairs hold ids only.

Events, messages and what is derived from them name their project by its `number`, not by its id, and count times in
microseconds: at a hundred million rows the width of a row is the speed of the database.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.ext.hybrid import Comparator, hybrid_property
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column

from unspoken.store.columns import NAMING, EventId, Instant, Json, NextNumber, Serial, Utc, new_id, now


class Base(DeclarativeBase):
    """Declares the naming convention, so that migrations can name what they drop."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: Utc, dict[str, Any]: Json, list[str]: Json}  # noqa: RUF012 - SQLAlchemy's own form


class Project(Base):
    """One chatbot. `user_secret` (hex) keys the hashes of its users; `recipe` names how its labels are made.

    `number` stands for it in events, messages, and what is derived from them.
    """

    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    user_secret: Mapped[str] = mapped_column(String(64))
    recipe: Mapped[str] = mapped_column(String(64), default="chat")
    simulated: Mapped[bool] = mapped_column(default=False)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)
    number: Mapped[int] = mapped_column(Integer, default=NextNumber())
    __table_args__ = (Index(None, "number", unique=True),)


class _OfProject(Comparator[str]):
    """Makes `Event.project_id == id` a comparison with the number that the project of that id has."""

    def __init__(self, number: InstrumentedAttribute[int]) -> None:
        super().__init__(select(Project.id).where(Project.number == number).correlate_except(Project).scalar_subquery())
        self.number = number

    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]
        return self.number == select(Project.number).where(Project.id == other).scalar_subquery()

    __hash__ = Comparator.__hash__


class Numbered:
    """A table that names its project by number. No foreign key: the database would look it up for every row."""

    project: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=-1)  # first in every key

    @hybrid_property
    def project_id(self) -> str:
        """The project's id, for queries: compare it with `==`, or select it."""
        raise AttributeError("a row knows its project's number only; select `project_id` in the query")

    @project_id.inplace.comparator
    @classmethod
    def _project_id(cls) -> _OfProject:
        return _OfProject(cls.project)


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


class Conversation(Numbered, Base):
    """Derived from events by store/fold.py, and so up to its watermark.

    `touched` is the greatest event sequence that spoke of it: an incremental rebuild asks for those touched since.
    """

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    first_at: Mapped[datetime] = mapped_column(Instant)
    last_at: Mapped[datetime] = mapped_column(Instant)
    touched: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (Index(None, "project", "touched"),)


class Parked(Numbered, Base):
    """Derived: an event below the watermark whose message had not come yet. The event itself is stored like any."""

    __tablename__ = "parked"
    event: Mapped[str] = mapped_column(EventId, primary_key=True)
    message: Mapped[str] = mapped_column(String(200))
    since: Mapped[datetime] = mapped_column(Instant)
    __table_args__ = (Index(None, "project", "message"),)


class Person(Numbered, Base):
    """Derived: the hash of somebody who stands in events."""

    __tablename__ = "people"
    user: Mapped[str] = mapped_column(String(64), primary_key=True)


class Tally(Numbered, Base):
    """Derived: how many events of a kind there are, and when the last of them was received."""

    __tablename__ = "tallies"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)
    last_received_at: Mapped[datetime] = mapped_column(Instant)


class Watermark(Base):
    """How far a derivation of events has come: see store/horizon.py for what the number counts."""

    __tablename__ = "watermarks"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    horizon: Mapped[dict[str, Any]]


class Dataset(Base):
    """One build of labels, pairs and unpaired. It is whole once `finished_at` is set, which is written last.

    `withdrawn_at`, here and on models and reports: it held evidence of a user who was erased since.
    """

    __tablename__ = "datasets"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    recipe: Mapped[dict[str, Any]]
    horizon: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64))
    funnel: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]


class Label(Base):
    """P(worth more than par) of one answer to one user, from one family, with its lineage."""

    __tablename__ = "labels"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    message: Mapped[str] = mapped_column(String(200))
    user: Mapped[str | None] = mapped_column(String(64), index=True)
    family: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str] = mapped_column(String(64))
    p: Mapped[float | None]
    evidence: Mapped[list[str]]


class Pair(Base):
    """chosen ≻ rejected, by ids; columns as frames.PAIRS."""

    __tablename__ = "pairs"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    prompt: Mapped[str] = mapped_column(String(200))
    prompt_key: Mapped[str] = mapped_column(String(64))
    chosen: Mapped[str] = mapped_column(String(200))
    rejected: Mapped[str] = mapped_column(String(200))
    user: Mapped[str | None] = mapped_column(String(64), index=True)
    people: Mapped[list[str]]
    family: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str] = mapped_column(String(64))
    p: Mapped[float]
    margin: Mapped[float]
    weight: Mapped[float]
    evidence: Mapped[list[str]]
    split: Mapped[str] = mapped_column(String(8))


class Unpaired(Base):
    """One answer with its own probability; columns as frames.UNPAIRED."""

    __tablename__ = "unpaired"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    message: Mapped[str] = mapped_column(String(200))
    prompt_key: Mapped[str] = mapped_column(String(64))
    user: Mapped[str | None] = mapped_column(String(64), index=True)
    people: Mapped[list[str]]
    family: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str] = mapped_column(String(64))
    p: Mapped[float]
    weight: Mapped[float]
    evidence: Mapped[list[str]]
    split: Mapped[str] = mapped_column(String(8))


class Model(Base):
    """A trained reward model: where its run folder lies and what it was trained on."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="SET NULL"))
    family: Mapped[str] = mapped_column(String(16))
    folder: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]


class EvaluationSet(Base):
    """A fixed set of prompts and answers, by ids, on which models are compared."""

    __tablename__ = "evaluation_sets"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    messages: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("project_id", "name"),)


class Report(Base):
    """A finished comparison: its verdict, and the folder that holds page and numbers."""

    __tablename__ = "reports"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="SET NULL"))
    verdict: Mapped[str] = mapped_column(String(64))
    summary: Mapped[dict[str, Any]]
    folder: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]


class Job(Base):
    """The truth about one piece of work; a broker message is only a hint that it is there.

    state: queued → running → done | failed. A running job whose `lease_until` has passed is anybody's. `dedupe` is
    unique among jobs that are not over (it is emptied when one ends), so asking twice is asking once.
    """

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    queue: Mapped[str] = mapped_column(String(16), default="data")
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    dedupe: Mapped[str | None] = mapped_column(String(200), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="queued", index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(default=0.0)
    note: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Schedule(Base):
    """What runs by itself, and when it is next due."""

    __tablename__ = "schedules"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, default=new_id)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    job: Mapped[str] = mapped_column(String(64))
    every_s: Mapped[float]
    next_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("project_id", "job"),)


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
