"""A word is planted wherever a person's data can stand, the whole loop runs, the person is erased, the word is gone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.canary import WORD, planted, traces

from unspoken import jobs
from unspoken.cli.importing import ingest
from unspoken.cli.source import world as source
from unspoken.events import hash_user
from unspoken.jobs import broker, erasing
from unspoken.pairs.recipe import named
from unspoken.pairs.split import place
from unspoken.settings import settings
from unspoken.store import datasets, models, projects, reports
from unspoken.store.database import reading, transaction
from unspoken.store.fold import fold
from unspoken.store.tables import Audit, Dataset, Erasure, Event, Job, Message

SECRET = "5e" * 32
OWNED = {f"user-{number:05}" for number in range(15)}


def on_the_test_side() -> str:
    """An id whose hash the split puts among those that models are tested on: their answers stand in the report."""
    recipe = named("chat")
    ids = (f"{WORD}-{number}@example.org" for number in range(1000))
    return next(each for each in ids if place(hash_user(SECRET, each), recipe.salt) < recipe.test_share)


USER = on_the_test_side()
HASH = hash_user(SECRET, USER)


@pytest.fixture
def home(database_url, tmp_path, monkeypatch, tiny_base) -> Iterator[Path]:
    """A home on either database, for jobs that are done in this process."""
    from unspoken_workers import lease

    given = {
        "UNSPOKEN_HOME": str(tmp_path / "home"),
        "UNSPOKEN_DATABASE_URL": database_url,
        "UNSPOKEN_BASE_MODEL": str(tiny_base),
        "UNSPOKEN_LEASE_S": "2",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for cached in (settings, broker.producer, lease.engine):
        cached.cache_clear()
    yield tmp_path / "home"
    lease.engine().dispose()
    for cached in (settings, broker.producer, lease.engine):
        cached.cache_clear()


@pytest.fixture
def project_id(engine, home, world) -> str:
    """Sixty people who do not exist, fifteen of whom are one now, who left the word everywhere."""
    told = source(world)
    with transaction(engine) as session:
        made = projects.ensure(session, "chat", user_secret=SECRET)
    events = planted(told.events, OWNED, USER)
    ingest(engine, type(told)(told.name, events, told.recipe, told.about), "chat", lambda share, note: None)
    return made.id


def work(engine, *only: str) -> dict[str, Job]:
    """Does every queued job, or those named, and what follows on it; the jobs by name and family."""
    from unspoken_workers import erasure, pairs, reports, training

    does = {
        "project.refresh": pairs.refresh,
        "pairs.build": pairs.build_pairs,
        "run.train": training.train,
        "report.compare": reports.compare,
        "user.erase": erasure.erase,
    }
    while True:
        with reading(engine) as session:
            every = session.scalars(select(Job).order_by(Job.created_at)).all()
        named = [(f"{job.name} {job.arguments.get('family', '')}".strip(), job) for job in every]
        queued = [job for name, job in named if job.state == "queued" and (not only or name in only)]
        if not queued:
            return dict(named)
        for job in queued:
            does[job.name](job.id)


def refresh(engine, project_id: str) -> None:
    with transaction(engine) as session:
        jobs.enqueue(session, "project.refresh", project_id=project_id, dedupe=f"project.refresh:{project_id}")


def ask(engine, project_id: str) -> Erasure:
    with transaction(engine) as session:
        return erasing.ask(session, project_id, HASH, "a test")[0]


def whole_disk(home: Path, engine) -> list[Path]:
    """The home, and where SQLite's files lie."""
    return [home, *([Path(engine.url.database).parent] if engine.dialect.name == "sqlite" else [])]


def test_a_word_planted_everywhere_is_found_before_the_erasure_and_nowhere_after(engine, home, project_id):
    refresh(engine, project_id)
    assert {job.state for job in work(engine).values()} == {"done"}
    fold(engine)
    places = {place.split("/")[0] for at in whole_disk(home, engine) for place in traces(WORD, at, engine)}
    assert {
        "messages.text",
        "events.fields",
        "events.arm",
        "events.session",
        "events.page",
        "reports",
        "segments",
    } <= places
    assert {"conversations.id", "spans.conversation", "participants.conversation"} <= places
    if engine.dialect.name == "sqlite":
        assert "unspoken.db" in places or "unspoken.db-wal" in places
    hashes = {place for at in whole_disk(home, engine) for place in traces(HASH, at, engine)}
    assert {"labels.user", "unpaired.user", "unpaired.people", "events.user", "messages.user"} <= hashes
    assert {"people.user", "participants.user"} <= hashes
    assert {"datasets", "segments"} <= {place.split("/")[0] for place in hashes}
    assert any(Path(place).name.startswith("answers-") for place in hashes)  # of what was made, beside the segments
    assert not any(USER.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())
    with reading(engine) as session:
        before = {model.id for model in models.listed(session, project_id)}
        old_report = reports.listed(session, project_id)[0]
    features = list((home / "cache").rglob("features-*.npz"))
    assert features

    erasure = ask(engine, project_id)
    with reading(engine) as session:
        job = session.scalars(select(Job).where(Job.name == "user.erase")).one().id
    work(engine, "user.erase")
    with reading(engine) as session:
        assert session.get_one(Job, job).state == "done", session.get_one(Job, job).error
    assert {place for at in whole_disk(home, engine) for place in traces(WORD, at, engine)} == set()
    left = {place for at in whole_disk(home, engine) for place in traces(HASH, at, engine)}
    assert {place for place in left if not place.startswith("unspoken.db")} == {"erasures.user"}
    assert not any(file.exists() for file in features)
    assert not Path(old_report.folder).exists()
    with reading(engine) as session:
        assert all(model.withdrawn_at for model in models.listed(session, project_id))
        assert all(report.withdrawn_at for report in reports.listed(session, project_id))
        assert datasets.newest(session, project_id) is None
        done = session.get_one(Erasure, erasure.seq)
        said = session.scalars(select(Audit).where(Audit.action == "user.erased")).one()
    assert done.finished_at is not None and done.counts["events"] > 100 and done.counts["messages"] > 50
    assert (done.counts["models"], done.counts["reports"]) == (2, 1)
    assert said.details == done.counts

    assert set(work(engine, "project.refresh", "run.train stated")) >= {"report.compare", "user.erase"}
    with reading(engine) as session:
        (anew,) = [model for model in models.listed(session, project_id) if not model.withdrawn_at]
        assert anew.id not in before
        assert (session.scalar(select(func.count()).select_from(Event)) or 0) > 500
    assert "withdrawn_at" not in json.loads((Path(anew.folder) / "manifest.json").read_text())
    assert {place for at in whole_disk(home, engine) for place in traces(WORD, at, engine)} == set()


KILLED = """
import os, signal, sys
from collections.abc import Iterator
from pathlib import Path
from unspoken.jobs import erasing
from unspoken.settings import settings
from unspoken.store.database import connect, transaction
from unspoken.store.tables import Erasure

step, done = int(sys.argv[1]), 0

def line(frame, event, argument):
    # Dies on the n-th line of our own that is run, wherever that is.
    global done
    done += 1
    if done == step:
        os.kill(os.getpid(), signal.SIGKILL)
    return line

def call(frame, event, argument):
    inside = frame.f_code.co_filename
    return line if inside.endswith(("erasing.py", "erasure.py", "traces.py", "scrub.py", "people.py")) else None

engine = connect()
with transaction(engine) as session:
    erasure = session.get_one(Erasure, 1)
sys.settrace(call)
erasing.erase(engine, erasure, settings().home)
sys.settrace(None)
print(done)
"""


def test_an_erasure_that_is_killed_again_and_again_is_finished_by_the_next(engine, home, project_id):
    refresh(engine, project_id)
    with reading(engine) as session:
        first = session.scalars(select(Job)).one().id
    from unspoken_workers.pairs import refresh as build

    build(first)
    ask(engine, project_id)
    deaths = 0
    for step in (3, 60, 150, 400, 1000):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(step)], capture_output=True, text=True, check=False)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        deaths += ended.returncode != 0
    assert deaths >= 4
    with transaction(engine) as session:
        erasing.enqueue_forgotten(session)  # it is under way: the job waits
        assert session.scalar(select(func.count()).select_from(Job).where(Job.name == "user.erase")) == 1
    assert work(engine)["user.erase"].state == "done"
    with reading(engine) as session:
        assert session.get_one(Erasure, 1).finished_at is not None
    assert {place for at in whole_disk(home, engine) for place in traces(WORD, at, engine)} == set()


def test_what_a_job_makes_of_data_that_is_withdrawn_meanwhile_is_not_kept(engine, home, project_id):
    refresh(engine, project_id)
    with reading(engine) as session:
        first = session.scalars(select(Job)).one().id
    from unspoken_workers.pairs import refresh as build

    build(first)
    with reading(engine) as session:
        dataset = session.scalars(select(Dataset.id)).one()
    train = jobs.Job("x", "run.train", project_id, {"dataset": dataset, "family": "stated"}, "w", 1, None)
    ask(engine, project_id)

    from unspoken.errors import NotFound
    from unspoken_workers import training
    from unspoken_workers.lease import Lease

    class Meanwhile(Lease):
        """Ours, but for the user who is erased while the model is trained."""

        def progress(self, share, note):
            if note == "collecting texts":
                return
            with reading(engine) as session:
                erasure = session.get_one(Erasure, 1)
            erasing.erase(engine, erasure, home)

    with pytest.raises(NotFound, match="withdrawn"):
        training._train(train, Meanwhile(engine, train))
    with reading(engine) as session:
        assert models.listed(session, project_id) == []
        assert (session.scalar(select(func.count()).select_from(Message)) or 0) > 100
    assert not list((home / "runs").glob("*"))
