"""What privacy needs done by itself is on the schedule, and does it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from unspoken.errors import UnspokenError
from unspoken.events import parse
from unspoken.jobs import erasing
from unspoken.store import projects, retention, sealed, segments
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import ingest
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


def test_a_project_where_it_fails_keeps_no_other_from_it(site, project_id, make_event, upkeep, monkeypatch, caplog):
    with transaction(site.engine) as session:
        others = [projects.create(session, name) for name in ("one", "two")]
        for other in others:
            ingest(session, other, [parse(make_event("vote"))], sent_at=None, received_at=now() - timedelta(days=2))
            projects.change(session, other.id, {"retention_days": 1})
    expire, tried = retention.expire, []

    def breaks_first(engine, project, *rest):
        tried.append(project)
        if len(tried) == 1:
            raise OSError("a defect")
        return expire(engine, project, *rest)

    monkeypatch.setattr(retention, "expire", breaks_first)
    before = count(site)
    with pytest.raises(UnspokenError, match=r"not all removed of \w+; the log"):
        upkeep()
    assert sorted(tried) == sorted(other.id for other in others)
    assert count(site) == before - 1
    assert tried[0] in caplog.text and tried[1] not in caplog.text
    upkeep()
    assert count(site) == before - 2


def count(site) -> int:
    with reading(site.engine) as session:
        return session.scalar(select(func.count()).select_from(Event)) or 0
