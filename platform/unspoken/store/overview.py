"""What came in and what was made of it, in numbers: for the status route and the page.

The numbers are of this moment: what store/fold.py has counted, and what has come since.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from unspoken.store.fold import unfolded, waiting
from unspoken.store.horizon import stream
from unspoken.store.tables import Conversation, Event, Job, Message, Person, Project, Tally


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
    since = [stream(project.id), unfolded(session)]
    kinds, last_received_at = _kinds(session, project.number, since)
    known_users = select(Person.user).where(Person.project == project.number)
    known_conversations = select(Conversation.id).where(Conversation.project == project.number)
    messages = select(func.count()).select_from(Message).where(Message.project == project.number)
    return Overview(
        id=project.id,
        name=project.name,
        simulated=project.simulated,
        recipe=project.recipe,
        events=sum(kinds.values()),
        kinds=kinds,
        users=_distinct(session, known_users, Event.user, since),
        conversations=_distinct(session, known_conversations, Event.conversation, since),
        messages=session.scalar(messages) or 0,
        parked=waiting(session, project.id),
        last_received_at=last_received_at,
    )


def _kinds(session: Session, project: int, since: list[ColumnElement[bool]]) -> tuple[dict[str, int], datetime | None]:
    """Events by kind, the most frequent first, and when the last of them was received."""
    days = (func.sum(Tally.events), func.max(Tally.last_received_at))
    folded = select(Tally.kind, *days).where(Tally.project == project).group_by(Tally.kind)
    come = select(Event.kind, func.count(), func.max(Event.received_at)).where(*since).group_by(Event.kind)
    found = [*session.execute(folded), *session.execute(come)]
    kinds: Counter[str] = Counter()
    for kind, number, _ in found:
        kinds[kind] += int(number)  # PostgreSQL sums to a decimal
    order = sorted(((kind, number) for kind, number in kinds.items() if number), key=lambda each: (-each[1], each[0]))
    return dict(order), max((at for *_, at in found), default=None)


def _distinct(
    session: Session,
    known: Select[Any],
    column: InstrumentedAttribute[Any],
    since: list[ColumnElement[bool]],
) -> int:
    """How many are known, and how many more stand in the events that have come since."""
    [its] = known.selected_columns
    more = select(func.count(column.distinct())).where(*since, ~known.where(its == column).exists())
    return (session.scalar(select(func.count()).select_from(known.subquery())) or 0) + (session.scalar(more) or 0)
