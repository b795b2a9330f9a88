"""Which jobs there are, for whoever looks."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.store.tables import Job

STATES = ("queued", "running", "done", "failed")


def listed(
    session: Session, projects: Sequence[str], state: str = "", name: str = "", limit: int = 50, skip: int = 0
) -> Sequence[Job]:
    """Jobs of these projects, newest first; of one state or one name where given."""
    chosen = select(Job).where(Job.project_id.in_(projects))
    if state:
        chosen = chosen.where(Job.state == state)
    if name:
        chosen = chosen.where(Job.name == name)
    return session.scalars(chosen.order_by(Job.created_at.desc(), Job.id).limit(limit).offset(skip)).all()


def under_way(session: Session, project_id: str, name: str) -> Job | None:
    """The job that holds the name `name:project` among those that are not over: asking again would be this one."""
    return session.scalars(select(Job).where(Job.dedupe == f"{name}:{project_id}").limit(1)).first()
