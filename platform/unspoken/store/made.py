"""Tables of what the platform makes of events: datasets, models, reports, and the jobs that make them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from unspoken.store.columns import Json, Serial, new_id, now
from unspoken.store.schema import Base


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
    """P(worth more than par) of one answer to one user, from one family, with its lineage; columns as frames.LABELS."""

    __tablename__ = "labels"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    message: Mapped[str] = mapped_column(String(200))
    user: Mapped[str | None] = mapped_column(String(64), index=True)
    family: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str] = mapped_column(String(64))
    p: Mapped[float | None]
    mean: Mapped[float | None]
    sd: Mapped[float | None]
    moved: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)
    evidence: Mapped[list[str]]
    __table_args__ = (Index(None, "dataset_id", "message"),)  # a page asks for those of a few messages


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


class Promotion(Base):
    """A model was put in force for its family, or (null) the family was left without one; the last row counts.

    `back`: by going back to one that had been so before.
    """

    __tablename__ = "promotions"
    seq: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    family: Mapped[str] = mapped_column(String(16))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    back: Mapped[bool] = mapped_column(default=False)
    at: Mapped[datetime] = mapped_column(default=now)
    actor: Mapped[str] = mapped_column(String(200))


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
