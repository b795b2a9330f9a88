"""What runs by itself: hints for lost jobs, and the rebuilding of projects that have new events."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken import jobs
from unspoken.jobs.broker import hint
from unspoken.settings import settings
from unspoken.store import datasets
from unspoken.store.columns import new_id, now
from unspoken.store.database import transaction
from unspoken.store.dialects import insert_or_skip
from unspoken.store.fold import fold
from unspoken.store.horizon import news
from unspoken.store.tables import Project, Schedule
from unspoken_workers.app import app
from unspoken_workers.lease import engine

REFRESH = "project.refresh"
FOLDING = 0.25  # of the time, SQLite's write lock is held to fold events


@app.task(name="jobs.sweep")
def sweep() -> None:
    """Hint at jobs whose message was lost or whose worker died."""
    hint(jobs.due(engine()))


@app.task(name="events.fold")
def fold_events() -> None:
    """Count what has come and find what waits, without keeping those who write events waiting for long."""
    fold(engine(), share=FOLDING)


@app.task(name="schedules.tick")
def tick() -> None:
    """Queue what is due. A schedule that was missed runs once, not once for every time it was missed."""
    with transaction(engine()) as session:
        _give_every_project_one(session)
        at = now()
        due = select(Schedule).where(Schedule.next_at <= at).with_for_update(skip_locked=True)
        for schedule in session.scalars(due).all():
            schedule.next_at = at + timedelta(seconds=schedule.every_s)
            if schedule.job != REFRESH or _has_news(session, schedule.project_id):
                jobs.enqueue(
                    session,
                    schedule.job,
                    project_id=schedule.project_id,
                    dedupe=f"{schedule.job}:{schedule.project_id}",
                )


def _give_every_project_one(session: Session) -> None:
    every_s = settings().retrain_s
    without = select(Project.id).where(
        Project.id.not_in(select(Schedule.project_id).where(Schedule.job == REFRESH, Schedule.project_id.is_not(None)))
    )
    rows = [
        {
            "id": new_id(),
            "project_id": project,
            "job": REFRESH,
            "every_s": every_s,
            "next_at": now() + timedelta(seconds=every_s),
        }
        for project in session.scalars(without)
    ]
    if rows:
        session.execute(insert_or_skip(session, Schedule), rows)


def _has_news(session: Session, project_id: str | None) -> bool:
    """Whether events have come that the project's newest dataset has not seen."""
    if project_id is None:
        return True
    newest = datasets.newest(session, project_id)
    return news(session, project_id, newest.horizon if newest else None)
