"""Workers do what is queued, on either broker."""

import pytest

from unspoken.store import datasets, projects
from unspoken.store.database import transaction


@pytest.fixture(params=["filesystem", "redis"])
def broker_url(request) -> str:
    return "" if request.param == "filesystem" else request.getfixturevalue("redis_url")


def test_pairs_are_built_and_what_cannot_be_done_fails_with_the_sentence_why(site, project_id):
    with transaction(site.engine) as session:
        empty = projects.create(session, "empty").id
    built, refused = site.enqueue("pairs.build", project_id), site.enqueue("pairs.build", empty)
    site.start("--queue", "data")

    done = site.ended(built)
    assert (done.state, done.progress, done.attempts) == ("done", 1.0, 1), done.error
    pairs, unpaired, labels = datasets.load(site.engine, done.result["dataset"])
    assert (done.result["pairs"], done.result["unpaired"]) == (pairs.height, unpaired.height)
    assert (done.result["labels"], labels.height > 300, pairs.height > 10) == (labels.height, True, True)

    failed = site.ended(refused)
    assert (failed.state, failed.attempts) == ("failed", 1)
    assert "nothing to label yet" in failed.error
