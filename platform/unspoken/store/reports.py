"""Which comparisons were made, what they found, and where their pages lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.store.tables import Report


def record(
    session: Session, project_id: str, dataset_id: str, verdict: str, summary: Mapping[str, Any], folder: Path
) -> str:
    """The report's id; a folder is recorded once."""
    same = session.scalars(select(Report).where(Report.folder == str(folder))).first()
    row = same or Report(project_id=project_id, dataset_id=dataset_id, folder=str(folder))
    row.verdict, row.summary = verdict, dict(summary)
    session.add(row)
    session.flush()
    return row.id


def listed(session: Session, project_id: str) -> Sequence[Report]:
    """A project's reports, newest first."""
    return session.scalars(
        select(Report).where(Report.project_id == project_id).order_by(Report.created_at.desc())
    ).all()
