"""Pieces of work that outlive the process which asked for them.

The `jobs` row is the truth and the broker's message a hint: a row is claimed under a lease that its worker renews, a
silent worker's lease runs out, and a sweep hints again at what was lost. So no broker has to be reliable.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, and_, event, func, or_, select, update
from sqlalchemy.orm import Session

from unspoken.errors import BadInput
from unspoken.jobs.broker import Hint, hint
from unspoken.settings import settings
from unspoken.store.columns import new_id, now
from unspoken.store.database import transaction
from unspoken.store.dialects import insert_or_skip, on_postgresql
from unspoken.store.tables import Job as Row

# Which queue each job waits in: data has the tables and the frames, gpu has the device.
JOBS: Mapping[str, str] = {
    "pairs.build": "data",
    "run.train": "gpu",
    "report.compare": "data",
    "project.refresh": "data",
    "user.erase": "data",
}
# What follows on a refresh, each queued in the transaction in which the one before it ends: a crash loses no step.
REFRESH = [["run.train", {"family": "stated"}], ["run.train", {"family": "revealed"}], ["report.compare", {}]]
UPKEEP = "upkeep"  # sweeps and schedules: every worker takes them
MOST_ATTEMPTS = 5
HINT_AFTER_S = 2.0
_HINTS = "unspoken.hints"


@dataclass(frozen=True)
class Job:
    """A job that this worker holds the lease of."""

    id: str
    name: str
    project_id: str | None
    arguments: dict[str, Any]
    worker: str
    attempts: int
    dedupe: str | None


def enqueue(
    session: Session,
    name: str,
    *,
    project_id: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    dedupe: str | None = None,
) -> str:
    """The id of a queued job, hinted at after the session's commit; of the one under way if `dedupe` is taken.

    A chain keeps its `dedupe` from its first step to its last: a refresh asked for while one is training is that one.

    BadInput on a name that is not in JOBS.
    """
    if name not in JOBS:
        raise BadInput(f"There is no job {name!r}; the jobs are {', '.join(sorted(JOBS))}.")
    chain = {"then": REFRESH} if name == "project.refresh" else {}
    row = {
        "id": new_id(),
        "project_id": project_id,
        "name": name,
        "queue": JOBS[name],
        "arguments": {**chain, **(arguments or {})},
        "dedupe": dedupe,
    }
    session.flush()
    while not session.execute(insert_or_skip(session, Row).returning(Row.id), [row]).first():
        under_way = session.scalar(select(Row.id).where(Row.dedupe == dedupe))
        if under_way:  # else it ended between the two statements, and the name is free
            return under_way
    session.info.setdefault(_HINTS, []).append(Hint(str(row["id"]), name, JOBS[name]))
    return str(row["id"])


def worker_name(process: int) -> str:
    """How a worker process signs its leases."""
    return f"{socket.gethostname()}/{process}"


def claim(engine: Engine, job_id: str, worker: str) -> Job | None:
    """The job under a fresh lease, or None: somebody holds it, it is over, or it has used up its attempts."""
    with transaction(engine) as session:
        at = _clock(session)
        free = and_(Row.id == job_id, or_(Row.state == "queued", and_(Row.state == "running", Row.lease_until < at)))
        session.execute(
            update(Row)
            .where(free, Row.attempts >= MOST_ATTEMPTS)
            .values(
                state="failed",
                dedupe=None,
                lease_until=None,
                finished_at=at,
                error=func.coalesce(
                    Row.error,
                    f"Started {MOST_ATTEMPTS} times, and each time its worker ended without a word (killed, or out of "
                    "memory). Look at the worker's log, give it more memory, and ask for the job again.",
                ),
            )
        )
        row = session.execute(
            update(Row)
            .where(free)
            .values(
                state="running",
                worker=worker,
                attempts=Row.attempts + 1,
                lease_until=at + _lease(),
                started_at=at,
                progress=0.0,
                note="",
            )
            .returning(Row.id, Row.name, Row.project_id, Row.arguments, Row.attempts, Row.dedupe)
        ).first()
    if row is None:
        return None
    return Job(row.id, row.name, row.project_id, row.arguments, worker, row.attempts, row.dedupe)


def heartbeat(engine: Engine, job_id: str, worker: str, progress: float, note: str) -> bool:
    """Renew the lease and show how far the job is (0 … 1). False: the lease is another's, stop."""
    with transaction(engine) as session:
        return _change(session, job_id, worker, lease_until=_clock(session) + _lease(), progress=progress, note=note)


def finish(engine: Engine, job: Job, result: Mapping[str, Any]) -> bool:
    """Done; what follows in its chain is queued in the same transaction. False: the lease was lost, nothing changed."""
    with transaction(engine) as session:
        done = _change(
            session,
            job.id,
            job.worker,
            state="done",
            dedupe=None,
            lease_until=None,
            progress=1.0,
            note="",
            error=None,
            result=dict(result),
            finished_at=_clock(session),
        )
        if done:
            _follow(session, job, {key: result[key] for key in ("dataset",) if key in result})
        return done


def fail(engine: Engine, job: Job, error: str, *, carry_on: bool = False) -> bool:
    """Over, with the sentence why; `carry_on` queues what follows all the same. False: the lease was lost."""
    with transaction(engine) as session:
        failed = _change(
            session,
            job.id,
            job.worker,
            state="failed",
            dedupe=None,
            lease_until=None,
            error=error,
            finished_at=_clock(session),
        )
        if failed and carry_on:
            _follow(session, job, {})
        return failed


def release(engine: Engine, job: Job, error: str | None = None) -> bool:
    """Back into the queue. With an error it counts as an attempt and waits 2, 4, 8 … s; without, it was a shutdown."""
    if error is not None and job.attempts >= MOST_ATTEMPTS:
        return fail(engine, job, error)
    with transaction(engine) as session:
        return _change(
            session,
            job.id,
            job.worker,
            state="queued",
            worker=None,
            attempts=job.attempts - (error is None),
            error=error,
            lease_until=None if error is None else _clock(session) + timedelta(seconds=2.0**job.attempts),
        )


def due(engine: Engine) -> list[Hint]:
    """Jobs that nobody works on though they wait: their hint was lost, or their worker died. Marks them as hinted at.

    While a job is queued its `lease_until` is the time before which it is not hinted at again.
    """
    with transaction(engine) as session:
        at = _clock(session)
        waits = and_(
            Row.state == "queued",
            or_(
                Row.lease_until < at,
                and_(Row.lease_until.is_(None), Row.created_at < at - timedelta(seconds=HINT_AFTER_S)),
            ),
        )
        found = session.execute(
            update(Row)
            .where(or_(waits, and_(Row.state == "running", Row.lease_until < at)))
            .values(state="queued", worker=None, lease_until=at + _lease())
            .returning(Row.id, Row.name, Row.queue)
        )
        return [Hint(*row) for row in found]


@event.listens_for(Session, "after_commit")
def _send(session: Session) -> None:
    if hints := session.info.pop(_HINTS, None):
        hint(hints)


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_HINTS, None)


def _follow(session: Session, job: Job, passed: Mapping[str, Any]) -> None:
    """Queue the next step of the chain, with what this one passes on; the chain's dedupe name goes with it."""
    steps = job.arguments.get("then", [])
    if not steps:
        return
    name, own = steps[0]
    kept = {key: value for key, value in job.arguments.items() if key not in ("then", "family")}
    enqueue(
        session,
        name,
        project_id=job.project_id,
        arguments={**kept, **passed, **own, "then": steps[1:]},
        dedupe=job.dedupe,
    )


def _change(session: Session, job_id: str, holder: str, **values: Any) -> bool:
    """Whether the row was still the holder's; only then it is changed."""
    mine = and_(Row.id == job_id, Row.worker == holder, Row.state == "running")
    return session.execute(update(Row).where(mine).values(**values).returning(Row.id)).first() is not None


def _clock(session: Session) -> datetime:
    """The database's time, in UTC: workers whose machines disagree agree on it. SQLite has one machine's clock."""
    if not on_postgresql(session):
        return now()
    at: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return at


def _lease() -> timedelta:
    return timedelta(seconds=settings().lease_s)
