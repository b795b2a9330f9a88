"""What privacy needs done by itself is on the schedule, and does it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from unspoken.jobs import erasing
from unspoken.store import projects, sealed, segments
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Audit, Event, Job


@pytest.fixture
def upkeep(site):
    """The scheduled task, on the site's database."""
    from unspoken_workers import lease, retention

    lease.engine.cache_clear()
    yield retention.upkeep
    lease.engine().dispose()
    lease.engine.cache_clear()


def test_it_is_on_the_schedule(upkeep):
    from unspoken_workers.app import app

    assert "privacy.upkeep" in {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert upkeep.name == "privacy.upkeep"


def test_old_events_go_and_forgotten_erasures_are_queued(site, project_id, upkeep):
    with transaction(site.engine) as session:
        projects.change(session, project_id, {"retention_days": 30})
        session.execute(update(Event).where(Event.kind == "vote").values(received_at=now() - timedelta(days=31)))
        old = session.scalar(select(func.count()).select_from(Event).where(Event.kind == "vote"))
    with segments.current(site.engine, project_id, site.home):
        pass  # sealed while they are there
    with transaction(site.engine) as session:
        erasing.ask(session, project_id, "ab" * 32, "a test")
        session.execute(update(Job).values(state="failed", dedupe=None))
    upkeep()
    kept = sealed.manifest(sealed.folder(site.home, project_id))
    assert kept is not None
    with reading(site.engine) as session:
        assert session.scalar(select(func.count()).select_from(Event).where(Event.kind == "vote")) == 0
        assert session.scalar(select(func.count()).select_from(Event)) == sum(file.rows for file in kept.events)
        said = session.scalars(select(Audit.details).where(Audit.action == "events.expired")).one()
        assert session.scalars(select(Job.name).where(Job.state == "queued")).all() == ["user.erase"]
    assert said["events"] == old
