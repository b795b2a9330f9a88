"""Which reward models were trained, on what, and where their run folders lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.store import erasure
from unspoken.store.tables import Model


def record(
    session: Session, project_id: str, dataset_id: str, family: str, folder: Path, manifest: Mapping[str, Any]
) -> str:
    """The model's id; a model of the same dataset, family and hash is recorded once.

    NotFound when the dataset was withdrawn while it was trained.
    """
    erasure.hold(session, dataset_id)
    digest = str(manifest["model_hash"])
    same = session.scalar(
        select(Model.id).where(Model.dataset_id == dataset_id, Model.family == family, Model.digest == digest)
    )
    if same:
        return same
    row = Model(
        project_id=project_id,
        dataset_id=dataset_id,
        family=family,
        folder=str(folder),
        digest=digest,
        manifest=dict(manifest),
    )
    session.add(row)
    session.flush()
    return row.id


def latest(session: Session, dataset_id: str, family: str) -> Model | None:
    """The newest model of a dataset and family that was not withdrawn."""
    return session.scalars(
        select(Model)
        .where(Model.dataset_id == dataset_id, Model.family == family, Model.withdrawn_at.is_(None))
        .order_by(Model.created_at.desc())
        .limit(1)
    ).first()


def listed(session: Session, project_id: str) -> Sequence[Model]:
    """A project's models, newest first."""
    return session.scalars(select(Model).where(Model.project_id == project_id).order_by(Model.created_at.desc())).all()
