"""Who did what to keys, settings, models and users' data: written in the transaction of the deed, never changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.store.tables import Audit

HERE = "command line"  # whoever may run commands on the server


def by_key(key_id: str) -> str:
    """The actor who came over HTTP with that key."""
    return f"key {key_id}"


def write(
    session: Session,
    project_id: str | None,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """One row, as `noun.verb` on an id. No key, token or message text may stand in `details`."""
    session.add(Audit(project_id=project_id, actor=actor, action=action, subject=subject, details=dict(details or {})))


def listed(session: Session, project_id: str, limit: int = 100, before: int | None = None) -> Sequence[Audit]:
    """A project's rows, newest first; `before` is the `seq` of the last one seen, for the next page."""
    chosen = select(Audit).where(Audit.project_id == project_id).order_by(Audit.seq.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(Audit.seq < before)
    return session.scalars(chosen).all()
