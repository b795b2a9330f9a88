"""What runs by itself."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from unspoken.pairs.build import build
from unspoken.pairs.recipe import named
from unspoken.store import datasets, reading
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.horizon import horizon
from unspoken.store.tables import Job, Schedule


@pytest.fixture
def tick(site):
    """The scheduled task, on the site's database."""
    from unspoken_workers import lease, upkeep

    lease.engine.cache_clear()
    yield upkeep.tick
    lease.engine().dispose()
    lease.engine.cache_clear()


def its_time_has_come(site) -> None:
    with transaction(site.engine) as session:
        session.execute(update(Schedule).values(next_at=now() - timedelta(days=3)))
        session.execute(update(Job).values(dedupe=None, state="done"))


def names(site) -> list[str]:
    with transaction(site.engine) as session:
        return list(session.scalars(select(Job.name)))


def label(site, project_id: str) -> None:
    recipe = named("chat")
    with transaction(site.engine) as session:
        built = build(reading.read_messages(session, project_id), reading.read_events(session, project_id), recipe)
        seen = horizon(session)
    datasets.save(
        site.engine, project_id, recipe.as_dict(), seen, built.digest, built.funnel, built.labels, built.pairs,
        built.unpaired,
    )  # fmt: skip


def test_a_project_is_refreshed_when_its_time_has_come_and_only_if_events_have(site, project_id, tick):
    tick()
    assert names(site) == []
    its_time_has_come(site)
    tick()
    tick()
    assert names(site) == ["project.refresh"]
    label(site, project_id)
    its_time_has_come(site)
    tick()
    assert names(site) == ["project.refresh"]
