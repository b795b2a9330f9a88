"""What a build keeps for the next one says nothing that may not be said any more, and spares reading the rest."""

import pytest

from unspoken import jobs
from unspoken.errors import TooLittleData
from unspoken.store import datasets, projects, sealed
from unspoken.store.database import reading, transaction


@pytest.fixture
def build(site, project_id):
    """One build in this process: its dataset's digest, and the files of answers that are kept."""
    from unspoken_workers import lease, pairs

    lease.engine.cache_clear()

    def build():
        job = jobs.Job("x", "pairs.build", project_id, {"recipe": "chat-acts"}, "w", 1, None)
        made = pairs._build(job, lease.Lease(site.engine, job))
        kept = sealed.manifest(sealed.folder(site.home, project_id))
        with reading(site.engine) as session:
            digest = datasets.get(session, made["dataset"]).digest
        return digest, [each.files["answers"] for each in kept.ranges] if kept else []

    yield build
    lease.engine().dispose()
    lease.engine.cache_clear()


def test_another_rule_of_consent_holds_for_what_was_kept_too(site, project_id, build):
    first, files = build()
    assert build() == (first, files)  # nothing has come: nothing is made
    with transaction(site.engine) as session:
        projects.change(session, project_id, {"consent": "required"})
    with pytest.raises(TooLittleData):  # nobody in this world ever said yes
        build()
    with transaction(site.engine) as session:
        projects.change(session, project_id, {"consent": "assumed"})
    again, others = build()
    assert again == first
    assert not set(others) & set(files)
