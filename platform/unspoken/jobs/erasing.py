"""The whole of an erasure, in order: marks, files, rows, the database's own files, and the retraining.

Every step can be done again. Killed anywhere, it is finished by whoever runs it next: the same job under another
worker, the scheduler, or `unspoken erase`.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, exists, select
from sqlalchemy.orm import Session

from unspoken import jobs
from unspoken.settings import settings
from unspoken.store import erasure as steps
from unspoken.store import people, scrub, traces
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Dataset, Erasure, Job

REFRESH = "project.refresh"
Say = Callable[[float, str], None]


def ask(session: Session, project_id: str, user: str, asked_by: str) -> tuple[Erasure, str]:
    """The tombstone of a user (a hash) and the id of the job that does the rest, queued in the same transaction."""
    erasure = steps.ask(session, project_id, user, asked_by)
    return erasure, enqueue(session, erasure)


def enqueue(session: Session, erasure: Erasure) -> str:
    """The id of the job that finishes this erasure: a new one, or the one under way."""
    return jobs.enqueue(
        session,
        steps.JOB,
        project_id=erasure.project_id,
        arguments={"erasure": erasure.seq},
        dedupe=f"{steps.JOB}:{erasure.seq}",
    )


def job_of(session: Session, erasure: int) -> str | None:
    """The id of the job that is at work on the erasure of that number, or waits to be."""
    return session.scalar(select(Job.id).where(Job.dedupe == f"{steps.JOB}:{erasure}"))


def enqueue_forgotten(session: Session) -> int:
    """Queues what nobody is at work on (its job failed, or `unspoken erase` was killed); how many."""
    forgotten = 0
    for erasure in steps.unfinished(session):
        under_way = exists().where(Job.dedupe == f"{steps.JOB}:{erasure.seq}")
        if not session.scalar(select(under_way)):
            enqueue(session, erasure)
            forgotten += 1
    return forgotten


def erase(engine: Engine, erasure: Erasure, home: Path, say: Say = lambda share, note: None) -> steps.Counts:
    """Carries it out; what was removed, by kind. Unavailable where it has to be tried again."""
    if erasure.finished_at is not None:
        return erasure.counts
    say(0.0, "withdrawing what was made of it")
    scrub.settle(engine)  # a dataset that did not see the tombstone is finished by now, or never will be
    with reading(engine) as session:
        found = people.find(session, erasure.project_id, erasure.user)
    with transaction(engine) as session:
        withdrawn = steps.withdraw(session, erasure, found)
        steps.note(session, erasure, withdrawn)
    say(0.1, "removing files")
    files = 0
    if found or withdrawn or erasure.counts:  # counts: of a run that was killed
        files = traces.sweep(
            engine, home, erasure.project_id, settings().lease_s, lambda: say(0.1, "waiting for jobs to end")
        )
    else:
        traces.forget_imports(home)
    with transaction(engine) as session:
        steps.note(session, erasure, {"files": files})
    say(0.4, "removing rows")
    steps.remove(engine, erasure, found)
    say(0.7, "rewriting the database's files")
    scrub.scrub(engine)
    with transaction(engine) as session:
        counts = steps.finish(session, erasure)
        if counts.get("jobs") or _to_be_made_again(session, erasure.project_id):
            jobs.enqueue(session, REFRESH, project_id=erasure.project_id, dedupe=f"{REFRESH}:{erasure.project_id}")
    say(1.0, "erased")
    return counts


def _to_be_made_again(session: Session, project_id: str) -> bool:
    """Whether the project's newest whole dataset is a withdrawn one."""
    newest = (
        select(Dataset.withdrawn_at)
        .where(Dataset.project_id == project_id, Dataset.finished_at.is_not(None))
        .order_by(Dataset.created_at.desc())
        .limit(1)
    )
    return session.scalar(newest) is not None
