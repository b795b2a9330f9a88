"""The account of each build of labels: what entered each step, what was kept, and why the rest was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.store.tables import Dataset

MOST = 30
FAMILIES = ("stated", "expressed", "revealed")


@dataclass(frozen=True)
class Step:
    """`entered` is `kept` and what was dropped; `family` as the step's name begins, or "" for all of them."""

    name: str
    family: str
    entered: int
    kept: int
    dropped: list[tuple[str, int]]


def builds(session: Session, project_id: str, limit: int = MOST) -> Sequence[Dataset]:
    """The project's whole datasets, newest first, withdrawn ones among them."""
    whole = select(Dataset).where(Dataset.project_id == project_id, Dataset.finished_at.is_not(None))
    return session.scalars(whole.order_by(Dataset.created_at.desc(), Dataset.id).limit(limit)).all()


def build(session: Session, project_id: str, dataset_id: str) -> Dataset | None:
    """One of them by its id, whichever: the numbers of a withdrawn one are nobody's data."""
    found = session.get(Dataset, dataset_id)
    return found if found and found.project_id == project_id and found.finished_at is not None else None


def steps(dataset: Dataset) -> list[Step]:
    """In order."""
    return [_step(each) for each in dataset.funnel.get("steps", ())]


def _step(said: dict[str, Any]) -> Step:
    name = str(said["step"])
    family, colon, rest = name.partition(": ")
    known = bool(colon) and family in FAMILIES
    dropped = sorted(((str(each["reason"]), int(each["count"])) for each in said["dropped"]), key=lambda each: -each[1])
    return Step(rest if known else name, family if known else "", int(said["entered"]), int(said["kept"]), dropped)
