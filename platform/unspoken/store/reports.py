"""Which comparisons were made, what they found, and where their pages lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.store import erasure
from unspoken.store.tables import Report


def record(
    session: Session, project_id: str, dataset_id: str, verdict: str, summary: Mapping[str, Any], folder: Path
) -> str:
    """The report's id; a folder is recorded once. NotFound when the dataset was withdrawn meanwhile."""
    erasure.hold(session, dataset_id)
    same = session.scalars(select(Report).where(Report.folder == str(folder))).first()
    row = same or Report(project_id=project_id, dataset_id=dataset_id, folder=str(folder))
    row.dataset_id, row.verdict, row.summary, row.withdrawn_at = dataset_id, verdict, dict(summary), None
    session.add(row)
    session.flush()
    return row.id


def listed(session: Session, project_id: str) -> Sequence[Report]:
    """A project's reports, newest first."""
    return session.scalars(
        select(Report).where(Report.project_id == project_id).order_by(Report.created_at.desc())
    ).all()
