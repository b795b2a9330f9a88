"""People who do not exist are told from people who do, wherever their events go."""

import gzip
import json
import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest
import uvicorn
from tests.test_cli import Ran, run

from unspoken.api.app import create_app
from unspoken.errors import Conflict
from unspoken.simulate.config import World
from unspoken.simulate.world import simulate
from unspoken.sources import world as worlds
from unspoken.store import database, projects

__all__ = ["run"]
NEEDED = ("a project of its own", "--project NAME")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return simulate(World(users=40), 3, tmp_path_factory.mktemp("worlds") / "world")


@pytest.fixture
def people(tmp_path):
    """A file of what a person did."""
    return lived(tmp_path / "people.jsonl")


def lived(path, conversation="c", **message):
    common = {"conversation": conversation, "at": "2026-10-01T12:00:00Z"}
    events = [
        common | {"id": str(uuid4()), "kind": "message", "message": f"{conversation}1", "role": "user", "text": "Hi"},
        common
        | {"id": str(uuid4()), "kind": "message", "message": f"{conversation}2", "role": "assistant", "text": "Hello"}
        | {"parent": f"{conversation}1"},
    ]
    path.write_text("".join(json.dumps(event | message) + "\n" for event in events))
    return path


def bare(world, path, lines=200):
    """The world's events without the folder around them."""
    with path.open("w") as file:
        for _, event in zip(range(lines), worlds.events(world), strict=False):
            file.write(json.dumps(event) + "\n")
    return path


def kind_of(run, name):
    [line] = [line for line in run("projects", "list").stdout.splitlines() if line.startswith(f"{name} ")]
    return line.split()[2]


def refused(ran: Ran, *words):
    assert ran.returncode == 2, ran
    for word in words:
        assert word in " ".join(ran.stderr.replace("\n", " ").split()), ran.stderr


def test_a_world_is_not_brought_among_people(run, world, people):
    run("import", "world", str(people), "--project", "shop")
    refused(run("import", "world", str(world), "--project", "shop"),
            "'shop' holds recorded events", "simulated", *NEEDED)  # fmt: skip
    assert kind_of(run, "shop") == "recorded"
    assert run("import", "world", str(people), "--project", "shop").stdout.startswith("0 stored, 2 repeated")


def test_people_are_not_brought_into_a_world(run, world, people):
    assert run("import", "world", str(world), "--project", "trial").returncode == 0
    refused(run("import", "world", str(people), "--project", "trial"),
            "'trial' holds simulated events", "recorded", *NEEDED)  # fmt: skip
    assert kind_of(run, "trial") == "simulated"


def test_an_empty_project_is_what_comes_first(run, world, people):
    for name, source, kind in (("one", world, "simulated"), ("two", people, "recorded")):
        run("keys", "create", "--project", name)
        assert run("import", "world", str(source), "--project", name).returncode == 0
        assert kind_of(run, name) == kind


def test_the_events_of_a_world_are_known_without_its_folder(run, world, tmp_path):
    file = bare(world, tmp_path / "events.jsonl")
    said = run("pairs", str(file), "--out", "dataset")
    assert "SIMULATED" in said.stdout
    about = json.loads((tmp_path / "dataset" / "manifest.json").read_text())["about"]
    assert about["simulated"] is True
    assert any(fact.startswith("SIMULATED") for fact in about["facts"])


def test_a_world_that_was_posted_unmarked_is_known_in_the_folder_that_the_project_is_exported_to(run, world, tmp_path):
    folder = tmp_path / "exported"
    folder.mkdir()
    bare(world, tmp_path / "events.jsonl")
    (folder / "events.jsonl.gz").write_bytes(gzip.compress((tmp_path / "events.jsonl").read_bytes()))
    (folder / "world.toml").write_text("simulated = false\n")
    assert "SIMULATED" in run("pairs", str(folder), "--out", "dataset").stdout
    assert run("import", "world", str(folder), "--project", "trial").returncode == 0
    assert kind_of(run, "trial") == "simulated"


def test_the_events_of_people_are_not_said_to_be_simulated(run, tmp_path):
    for name, more in (("plain", {}), ("other", {"meta": {"topic": "food", "simulated": "no"}})):
        said = run("pairs", str(lived(tmp_path / f"{name}.jsonl", name, **more)), "--out", name)
        assert "SIMULATED" not in said.stdout + said.stderr


def test_a_world_stays_one_through_a_project_and_a_bare_export(run, world, tmp_path):
    file = bare(world, tmp_path / "events.jsonl")
    assert run("import", "world", str(file), "--project", "trial").returncode == 0
    assert kind_of(run, "trial") == "simulated"
    assert run("export", "events", "--project", "trial", "--out", "again.jsonl").returncode == 0
    assert run("import", "world", "again.jsonl", "--project", "again").returncode == 0
    assert kind_of(run, "again") == "simulated"


@pytest.mark.parametrize("file", ["again.jsonl", "again.parquet"])
def test_a_world_of_another_program_stays_one_through_a_bare_export(run, people, tmp_path, file):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "events.jsonl.gz").write_bytes(gzip.compress(people.read_bytes()))
    (folder / "world.toml").write_text("simulated = true\n")
    assert run("import", "world", str(folder), "--project", "theirs").returncode == 0
    assert run("export", "events", "--project", "theirs", "--out", file).returncode == 0
    assert run("import", "world", file, "--project", "again").returncode == 0
    assert kind_of(run, "again") == "simulated"


def test_what_a_project_was_told_does_not_outweigh_its_mark(engine):
    with database.transaction(engine) as session:
        made = projects.create(session, "trial", settings={"about": {"simulated": False, "facts": ["F"]}})
        marked = projects.mark(session, made.id, True)
        assert projects.about(marked) == {"project": "trial", "simulated": True, "facts": ["F"]}


def test_a_project_with_events_keeps_its_mark(engine, project, run, people):
    with database.transaction(engine) as session:
        assert projects.mark(session, project.id, True).simulated
        assert not projects.mark(session, project.id, False).simulated
    from unspoken.cli import source
    from unspoken.cli.importing import ingest

    ingest(engine, source.world(people), "chat", lambda share, note: None)
    with database.transaction(engine) as session:
        assert not projects.mark(session, project.id, False).simulated
    with pytest.raises(Conflict, match="'chat' holds recorded events"), database.transaction(engine) as session:
        projects.mark(session, project.id, True)


@contextmanager
def served():
    """A server on the settings' database; its address."""
    engine = database.connect()
    server = uvicorn.Server(uvicorn.Config(create_app(engine), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        engine.dispose()


def test_what_is_sent_to_a_server_is_marked_there_and_not_mixed(run, world, people, tmp_path):
    keys = {name: run("keys", "create", "--project", name, "--role", "secret").stdout.strip() for name in "ab"}
    file = bare(world, tmp_path / "events.jsonl")
    with served() as url:

        def send(source, name):
            return run("import", "world", str(source), "--send", url, "--key", keys[name])

        assert send(file, "a").stdout.startswith("200 stored")
        assert kind_of(run, "a") == "simulated"
        refused(send(people, "a"), "'a' holds simulated events", "recorded", "a project of its own")
        assert send(people, "b").stdout.startswith("2 stored")
        assert kind_of(run, "b") == "recorded"
        refused(send(file, "b"), "'b' holds recorded events", "simulated", "a project of its own")
        assert run("pairs", "--project", "a", "--out", "dataset").returncode == 0
    assert json.loads((tmp_path / "dataset" / "manifest.json").read_text())["about"]["simulated"] is True


def test_nothing_is_sent_with_a_key_that_may_not_say_what_it_is(run, world):
    run("keys", "create", "--project", "shop", "--role", "secret")
    key = run("keys", "create", "--project", "shop", "--role", "write").stdout.strip()
    with served() as url:
        refused(run("import", "world", str(world), "--send", url, "--key", key), "403", "secret or admin")
    assert kind_of(run, "shop") == "recorded"
