"""Labels, pairs and unpaired answers of one build, by ids: saved in chunks, whole once `finished_at` is set.

Short transactions, because on SQLite a long one keeps the ingest waiting.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.orm import Session

from unspoken.errors import NotFound, Unavailable
from unspoken.frames import LABELS, PAIRS, UNPAIRED, Schema, empty
from unspoken.store import erasure
from unspoken.store.columns import new_id, now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Base, Dataset, Label, Pair, Unpaired

ROWS = 2_000  # in one transaction: some 20 ms of SQLite's write lock
_IN_FORCE = (Dataset.finished_at.is_not(None), Dataset.withdrawn_at.is_(None))
Frames = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def save(
    engine: Engine,
    project_id: str,
    recipe: Mapping[str, Any],
    horizon: Mapping[str, Any],
    digest: str,
    funnel: Sequence[Mapping[str, Any]],
    labels: pl.DataFrame,
    pairs: pl.DataFrame,
    unpaired: pl.DataFrame,
    progress: Callable[[float, str], None] = lambda share, note: None,
    *,
    marked: int | None = None,
) -> str:
    """The id of the finished dataset; of the one that is there already when one of this digest is.

    `marked` is erasure.mark() from when the data was read: Unavailable when somebody was erased since, and nothing of
    it stays. None does not ask.

    What a worker left half-written is removed first. One build of a project is saved at a time: a second one takes
    the first one's rows away, and the first then fails on its foreign key, to be tried again.
    """
    with transaction(engine) as session:
        if marked is not None:
            erasure.unchanged(session, project_id, marked)
        there = finished(session, project_id, digest)
        if there:
            return there
        for left in session.scalars(
            select(Dataset.id).where(Dataset.project_id == project_id, Dataset.finished_at.is_(None))
        ).all():
            session.execute(delete(Dataset).where(Dataset.id == left))
        dataset_id = new_id()
        session.add(
            Dataset(
                id=dataset_id,
                project_id=project_id,
                recipe=dict(recipe),
                horizon=dict(horizon),
                digest=digest,
                funnel={"steps": [dict(step) for step in funnel]},
            )
        )
    total, written = max(1, labels.height + pairs.height + unpaired.height), 0
    for table, frame, schema in ((Label, labels, LABELS), (Pair, pairs, PAIRS), (Unpaired, unpaired, UNPAIRED)):
        for rows in _chunks(frame.select(list(schema)), dataset_id):
            with transaction(engine) as session:
                session.execute(insert(table), rows)
            written += len(rows)
            progress(written / total, "saving labels and pairs")
    try:
        with transaction(engine) as session:
            if marked is not None:
                erasure.unchanged(session, project_id, marked)
            session.execute(update(Dataset).where(Dataset.id == dataset_id).values(finished_at=now()))
    except Unavailable:
        with transaction(engine) as session:
            session.execute(delete(Dataset).where(Dataset.id == dataset_id))
        raise
    return dataset_id


def finished(session: Session, project_id: str, digest: str) -> str | None:
    """The id of the project's whole dataset with this digest, if it was not withdrawn."""
    return session.scalar(
        select(Dataset.id)
        .where(Dataset.project_id == project_id, Dataset.digest == digest, *_IN_FORCE)
        .order_by(Dataset.created_at.desc())
        .limit(1)
    )


def newest(session: Session, project_id: str) -> Dataset | None:
    """The project's newest whole dataset that was not withdrawn."""
    return session.scalars(
        select(Dataset).where(Dataset.project_id == project_id, *_IN_FORCE).order_by(Dataset.created_at.desc()).limit(1)
    ).first()


def get(session: Session, dataset_id: str, project_id: str | None = None) -> Dataset:
    """The whole dataset of that id; NotFound when there is none, or it is not finished, or it was withdrawn.

    With `project_id`, another project's is not there: whoever names a dataset in a request may name anyone's.
    """
    found = session.get(Dataset, dataset_id)
    if found is not None and project_id not in (None, found.project_id):
        found = None
    if found is None or found.finished_at is None:
        state = "is not finished" if found else "is not there"
        raise NotFound(f"The dataset {dataset_id!r} {state}; build it with the job pairs.build.")
    erasure.refuse_withdrawn(found)
    return found


def load(engine: Engine, dataset_id: str) -> Frames:
    """(pairs, unpaired, labels) as they were saved; NotFound when the dataset is not whole."""
    with reading(engine) as session:
        get(session, dataset_id)
        return (
            _frame(session, Pair, dataset_id, PAIRS),
            _frame(session, Unpaired, dataset_id, UNPAIRED),
            _frame(session, Label, dataset_id, LABELS),
        )


def _chunks(frame: pl.DataFrame, dataset_id: str) -> Iterator[list[dict[str, Any]]]:
    for part in frame.iter_slices(ROWS):
        yield [{"dataset_id": dataset_id, **row} for row in part.iter_rows(named=True)]


def _frame(session: Session, table: type[Base], dataset_id: str, schema: Schema) -> pl.DataFrame:
    columns = table.__table__.c
    wanted = select(*(columns[name] for name in schema)).where(columns.dataset_id == dataset_id).order_by(columns.seq)
    found = session.execute(wanted, execution_options={"yield_per": 50_000})
    chunks = ([tuple(row) for row in rows] for rows in found.partitions())
    parts = [pl.DataFrame(rows, schema=dict(schema), orient="row") for rows in chunks]
    return pl.concat(parts) if parts else empty(schema)
