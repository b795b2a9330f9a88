"""Jobs: the row is the truth, the message a hint. On both databases; the broker is a folder."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from unspoken import jobs
from unspoken.errors import BadInput
from unspoken.jobs import broker
from unspoken.settings import settings
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.tables import Job, Project

LEASE_S = 300.0


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UNSPOKEN_LEASE_S", str(LEASE_S))
    monkeypatch.delenv("UNSPOKEN_BROKER_URL", raising=False)
    _forget_settings()
    yield tmp_path / "home"
    _forget_settings()


def _forget_settings():
    settings.cache_clear()
    broker.producer.cache_clear()


def queued(engine: Engine, project: Project, **arguments) -> str:
    with transaction(engine) as session:
        return jobs.enqueue(session, "run.train", project_id=project.id, arguments=arguments)


def row(engine: Engine, job_id: str) -> Job:
    with transaction(engine) as session:
        return session.scalars(select(Job).where(Job.id == job_id)).one()


def claimed(engine: Engine, job_id: str, worker: str = "a/1") -> jobs.Job:
    job = jobs.claim(engine, job_id, worker)
    assert job is not None
    return job


def silence(engine: Engine, job_id: str, seconds: float = 1.0) -> None:
    """As if the lease had run out this long ago."""
    with transaction(engine) as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=now() - timedelta(seconds=seconds)))


def messages(home) -> list[str]:
    return [json.loads(path.read_text())["headers"]["task"] for path in sorted((home / "broker/messages").glob("*"))]


def test_a_hint_leaves_after_the_commit_and_not_before(engine, project, home):
    with transaction(engine) as session:
        jobs.enqueue(session, "pairs.build", project_id=project.id)
        assert not (home / "broker").exists()
    assert messages(home) == ["pairs.build"]


def test_a_transaction_that_is_rolled_back_leaves_neither_row_nor_hint(engine, project, home):
    with pytest.raises(ZeroDivisionError), transaction(engine) as session:
        jobs.enqueue(session, "pairs.build", project_id=project.id)
        raise ZeroDivisionError
    assert not (home / "broker").exists()
    assert jobs.due(engine) == []


def test_a_job_of_unknown_name_is_refused_with_the_names_there_are(engine):
    with pytest.raises(BadInput, match=r"no job 'pairs\.bulid'.*pairs\.build"), transaction(engine) as session:
        jobs.enqueue(session, "pairs.bulid")


def test_of_eight_workers_one_gets_the_job(engine, project):
    job_id = queued(engine, project)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda number: jobs.claim(engine, job_id, f"host/{number}"), range(8)))
    (job,) = [each for each in got if each]
    assert (job.attempts, row(engine, job_id).worker) == (1, job.worker)


def test_asking_twice_is_asking_once_until_the_job_is_over(engine, project):
    def ask() -> str:
        with transaction(engine) as session:
            return jobs.enqueue(session, "pairs.build", project_id=project.id, dedupe="pairs")

    first = ask()
    assert ask() == first
    job = claimed(engine, first)
    assert ask() == first
    jobs.finish(engine, job, {})
    assert ask() != first


def test_eight_askers_at_once_get_one_job(engine, project):
    def ask(_: int) -> str:
        with transaction(engine) as session:
            return jobs.enqueue(session, "pairs.build", project_id=project.id, dedupe="pairs")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_a_lease_that_ran_out_is_taken_over_and_the_first_worker_changes_nothing_more(engine, project):
    job_id = queued(engine, project)
    first = claimed(engine, job_id, "a/1")
    assert jobs.claim(engine, job_id, "b/2") is None
    silence(engine, job_id)
    second = claimed(engine, job_id, "b/2")
    assert second.attempts == 2
    assert not jobs.heartbeat(engine, job_id, first.worker, 0.5, "")
    assert not jobs.finish(engine, first, {"by": "a"})
    assert not jobs.fail(engine, first, "no")
    assert not jobs.release(engine, first)
    assert jobs.finish(engine, second, {"by": "b"})
    assert row(engine, job_id).result == {"by": "b"}


def test_a_heartbeat_renews_the_lease_and_shows_progress(engine, project):
    job_id = queued(engine, project)
    claimed(engine, job_id)
    silence(engine, job_id)
    assert jobs.heartbeat(engine, job_id, "a/1", 0.25, "epoch 1")
    assert jobs.due(engine) == []
    now_there = row(engine, job_id)
    assert (now_there.progress, now_there.note) == (0.25, "epoch 1")
    assert now_there.lease_until is not None and now_there.lease_until > now() + timedelta(seconds=LEASE_S / 2)


def test_a_lost_hint_is_found_after_two_seconds_and_not_repeated_at_once(engine, project, monkeypatch):
    monkeypatch.setattr(jobs, "HINT_AFTER_S", 200.0)  # two, a hundred times slower
    job_id = queued(engine, project)
    assert jobs.due(engine) == []
    with transaction(engine) as session:
        session.execute(update(Job).values(created_at=now() - timedelta(seconds=300)))
    assert jobs.due(engine) == [broker.Hint(job_id, "run.train", "gpu")]
    assert jobs.due(engine) == []
    silence(engine, job_id)
    assert len(jobs.due(engine)) == 1


def test_the_sweep_takes_a_job_from_a_silent_worker(engine, project):
    job_id = queued(engine, project)
    first = claimed(engine, job_id)
    silence(engine, job_id)
    assert [hint.id for hint in jobs.due(engine)] == [job_id]
    assert not jobs.heartbeat(engine, job_id, first.worker, 0.9, "")
    assert claimed(engine, job_id, "b/2").attempts == 2


def test_a_job_whose_workers_die_five_times_fails_with_a_sentence(engine, project):
    job_id = queued(engine, project)
    for number in range(5):
        claimed(engine, job_id, f"a/{number}")
        silence(engine, job_id)
    assert jobs.claim(engine, job_id, "a/6") is None
    ended = row(engine, job_id)
    assert ended.state == "failed"
    assert ended.error is not None and "Started 5 times" in ended.error


def test_an_unknown_error_is_tried_again_later_and_five_times_at_most(engine, project):
    job_id = queued(engine, project)
    for attempt in range(1, 6):
        job = claimed(engine, job_id)
        assert job.attempts == attempt
        before = now()
        jobs.release(engine, job, f"OSError: {attempt}")
        later = row(engine, job_id).lease_until
        assert attempt == 5 or (later and timedelta(seconds=2**attempt - 1) < later - before)
        if now() - before < timedelta(seconds=1):
            assert jobs.due(engine) == []
        silence(engine, job_id)
    ended = row(engine, job_id)
    assert (ended.state, ended.error) == ("failed", "OSError: 5")


def test_a_shutdown_does_not_count_as_an_attempt(engine, project):
    job_id = queued(engine, project)
    jobs.release(engine, claimed(engine, job_id))
    assert (row(engine, job_id).state, row(engine, job_id).attempts) == ("queued", 0)


def test_a_refresh_is_one_chain_that_keeps_its_name_to_the_end(engine, project):
    def ask() -> str:
        with transaction(engine) as session:
            return jobs.enqueue(session, "project.refresh", project_id=project.id, dedupe="refresh")

    first = at = ask()
    said = []
    for _ in range(4):
        job = claimed(engine, at)
        said.append((job.name, job.arguments.get("family"), job.arguments.get("dataset")))
        if job.arguments.get("family") == "stated":
            jobs.fail(engine, job, "one class only", carry_on=True)
        else:
            jobs.finish(engine, job, {"dataset": "d1"} if job.name == "project.refresh" else {})
        at = ask()
    assert said == [
        ("project.refresh", None, None),
        ("run.train", "stated", "d1"),
        ("run.train", "revealed", "d1"),
        ("report.compare", None, "d1"),
    ]
    assert at != first and row(engine, at).name == "project.refresh"


def test_a_broker_that_is_away_fails_no_request(engine, project, monkeypatch):
    monkeypatch.setenv("UNSPOKEN_BROKER_URL", "redis://127.0.0.1:1/0")
    _forget_settings()
    began = time.monotonic()
    job_id = queued(engine, project)
    assert time.monotonic() - began < 60  # kombu's own patience has no end
    assert row(engine, job_id).state == "queued"
