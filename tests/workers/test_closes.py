"""Silent pages are closed by the workers themselves; and a worker does nothing with another project's data."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from unspoken.events import parse
from unspoken.settings import settings
from unspoken.store import projects
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import ingest
from unspoken.store.tables import Event


@pytest.fixture
def quick(site, monkeypatch):
    """Upkeep four times a second, and pages that are given up at once; for the workers that are started then."""
    for name, value in (("UNSPOKEN_GRACE_S", "0.4"), ("UNSPOKEN_UPKEEP_S", "0.25")):
        monkeypatch.setenv(name, value)
        site.environment[name] = value
    settings.cache_clear()


def test_a_page_that_hides_and_never_returns_is_closed_once_by_two_workers_on_the_beat(site, quick, make_event):
    with transaction(site.engine) as session:
        project = projects.create(session, "chat")
        at = now() - timedelta(hours=1)
        hide = parse(make_event("hide", at=at.isoformat(), phase="streaming", page="p"))
        ingest(session, project, [hide], sent_at=None, received_at=at)
    for arguments in ((), (), ("--beat",)):
        site.start(*arguments)
    closed = select(Event.occurred_at, Event.fields).where(Event.kind == "close")

    def found():
        with reading(site.engine) as session:
            return session.execute(closed).all()

    [close] = site.until(found)
    assert close.occurred_at == at
    assert (close.fields["cause"], close.fields["phase"]) == ("inferred", "streaming")
    with transaction(site.engine) as session:
        last = make_event("hide", conversation="c2", page="p2", at=now().isoformat())
        ingest(session, project, [parse(last)], sent_at=None, received_at=now())
    site.until(lambda: len(found()) == 2)  # by then the first has been looked at several times more


@pytest.fixture
def here(site):
    """The tasks of this process, on the site's database."""
    from unspoken_workers import lease

    lease.engine.cache_clear()
    yield
    lease.engine().dispose()
    lease.engine.cache_clear()


def test_a_dataset_of_another_project_is_none_to_a_job(site, project_id, here):
    from unspoken_workers import pairs, reports, training

    build = site.enqueue("pairs.build", project_id)
    pairs.build_pairs(build)
    dataset = site.job(build).result["dataset"]
    with transaction(site.engine) as session:
        other = projects.create(session, "other").id
    for task, name, more in (
        (training.train, "run.train", {"family": "stated"}),
        (reports.compare, "report.compare", {}),
    ):
        said = []
        for named in (dataset, "nobody"):
            job = site.enqueue(name, other, dataset=named, **more)
            task(job)
            ended = site.job(job)
            assert ended.state == "failed"
            said.append(ended.error.replace(named, "ID"))
        assert said[0] == said[1]
