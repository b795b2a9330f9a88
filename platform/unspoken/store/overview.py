"""What came in and what was made of it, in numbers: for the status route and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from unspoken.store.ingest import waiting
from unspoken.store.tables import Base, Conversation, Event, Job, Message, Project


@dataclass(frozen=True)
class Overview:
    """One project: its events by kind, and how many people, conversations and messages they speak of."""

    id: str
    name: str
    simulated: bool
    recipe: str
    events: int
    kinds: dict[str, int]
    users: int
    conversations: int
    messages: int
    parked: int
    last_received_at: datetime | None


def overviews(session: Session, project_id: str | None = None) -> list[Overview]:
    """Every project, or the one, by name."""
    chosen = select(Project).order_by(Project.name)
    if project_id is not None:
        chosen = chosen.where(Project.id == project_id)
    return [_overview(session, project) for project in session.scalars(chosen)]


def recent_jobs(session: Session, project_id: str | None = None, limit: int = 50) -> Sequence[Job]:
    """The jobs of every project, or of the one, newest first."""
    chosen = select(Job).order_by(Job.created_at.desc(), Job.id).limit(limit)
    if project_id is not None:
        chosen = chosen.where(Job.project_id == project_id)
    return session.scalars(chosen).all()


def _overview(session: Session, project: Project) -> Overview:
    of_kind = select(Event.kind, func.count()).where(Event.project_id == project.id).group_by(Event.kind)
    kinds = {kind: number for kind, number in session.execute(of_kind.order_by(func.count().desc(), Event.kind))}
    newest = select(Event.received_at).where(Event.project_id == project.id).order_by(Event.seq.desc()).limit(1)
    return Overview(
        id=project.id,
        name=project.name,
        simulated=project.simulated,
        recipe=project.recipe,
        events=sum(kinds.values()),
        kinds=kinds,
        users=session.scalar(select(func.count(Event.user.distinct())).where(Event.project_id == project.id)) or 0,
        conversations=_count(session, Conversation, project.id),
        messages=_count(session, Message, project.id),
        parked=waiting(session, project.id),
        last_received_at=session.scalar(newest),
    )


def _count(session: Session, table: type[Base], project_id: str) -> int:
    rows = table.__table__
    return session.scalar(select(func.count()).select_from(rows).where(rows.c.project_id == project_id)) or 0
