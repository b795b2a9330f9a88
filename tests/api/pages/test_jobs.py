"""The pages of jobs: filters in the address, progress that moves, errors in full, and asking for a refresh."""

from datetime import timedelta

import pytest

from unspoken import jobs
from unspoken.store import projects
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.tables import Job


@pytest.fixture
def some(engine, project):
    """A running job and a failed one."""
    with transaction(engine) as session:
        running = Job(
            project_id=project.id, name="run.train", state="running", progress=0.42, note="head 3 of 6", attempts=2,
            worker="box/1", arguments={"family": "stated", "seed": 7},
        )  # fmt: skip
        failed = Job(
            project_id=project.id, name="pairs.build", state="failed", attempts=5, error="Nothing to label. " * 40
        )
        session.add_all([running, failed])
        session.flush()
        return running.id, failed.id


def test_jobs_are_filtered_by_what_stands_in_the_address(browser, some):
    every = browser.get("/jobs").text
    assert 'value="0.42"' in every
    assert "head 3 of 6" in every
    assert "Nothing to label." in every
    only = browser.get("/jobs?state=failed").text
    assert "head 3 of 6" not in only
    assert 'hx-get="/jobs?state=failed"' in only
    assert "Nothing to label." not in browser.get("/jobs?name=run.train").text
    assert "There is no such job." in browser.get("/jobs?name=none&state=%00").text


def test_the_part_that_moves_is_asked_for_often_only_while_something_moves(browser, some, engine):
    part = browser.get("/jobs", headers={"hx-request": "true"}).text
    assert part.startswith('<div id="jobs-now" hx-get="/jobs" hx-trigger="every 2s"')
    assert f'id="progress-{some[0]}"' in part  # the same element, so that its bar moves instead of jumping
    assert "every 8s" in browser.get("/jobs?state=failed").text


def test_one_job_is_shown_in_full(browser, some):
    running, failed = some
    text = browser.get(f"/jobs/{running}").text
    for words in ("head 3 of 6", "box/1", "seed", "7", 'hx-trigger="every 2s"'):
        assert words in text
    over = browser.get(f"/jobs/{failed}").text
    assert over.count("Nothing to label.") == 40
    assert "hx-trigger" not in over
    for nothing in ("none", "%00", "x" * 300):
        assert browser.get(f"/jobs/{nothing}").status_code == 404


def test_many_jobs_are_shown_page_by_page(browser, engine, project):
    with transaction(engine) as session:
        for number in range(60):
            at = now() - timedelta(minutes=number)
            session.add(Job(project_id=project.id, name="pairs.build", state="done", note=f"n{number}.", created_at=at))
    first, second = browser.get("/jobs").text, browser.get("/jobs?page=2").text
    assert 'href="/jobs?page=2"' in first
    assert "n49." in first
    assert "n50." not in first
    assert "n50." in second
    assert 'href="/jobs"' in second
    for wrong in ("x", "0", "99999999"):
        answer = browser.get(f"/jobs?page={wrong}")
        assert answer.status_code == 422
        assert answer.headers["content-type"].startswith("text/html")


def test_a_refresh_is_asked_for_once(browser, broker, engine, project, count):
    assert browser.post("/jobs/refresh", data={}).headers["location"] == "/jobs?done=asked"
    assert browser.post("/jobs/refresh", data={}).headers["location"] == "/jobs?done=already"
    assert count(Job) == 1
    with transaction(engine) as session:
        [job] = session.query(Job).all()
        assert (job.name, job.project_id, job.dedupe) == (
            "project.refresh",
            project.id,
            f"project.refresh:{project.id}",
        )
        assert job.arguments == {"then": jobs.REFRESH}
    assert "project.refresh" in browser.get("/audit").text
    said = browser.get(f"/jobs/{job.id}").text
    assert "run.train stated, then run.train revealed, then report.compare</bdi>" in said


def test_at_this_machine_jobs_of_all_projects_stand_together_or_apart(here, engine, some):
    with transaction(engine) as session:
        other = projects.create(session, "other one")
        session.add(Job(project_id=other.id, name="user.erase", state="done"))
    every = here.get("/jobs").text
    assert "user.erase</bdi>" in every
    assert "head 3 of 6" in every
    alone = here.get("/jobs?project=other+one").text
    assert "head 3 of 6" not in alone
    assert 'href="/models?project=other+one"' in alone  # links keep the project
    assert here.get("/jobs?project=nothing").status_code == 404
