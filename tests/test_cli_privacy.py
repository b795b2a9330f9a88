"""`unspoken erase` and `unspoken export user`, as a person runs them."""

import json
import os
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from unspoken.cli import app
from unspoken.events import parse
from unspoken.settings import settings
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import ingest
from unspoken.store.tables import Audit, Erasure, Event, Job


@pytest.fixture
def run(tmp_path, monkeypatch, database_url):
    """Runs `unspoken ARGUMENTS` on the fresh database."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("UNSPOKEN_")]:
        monkeypatch.delenv(name)
    given = {"UNSPOKEN_DATABASE_URL": database_url, "UNSPOKEN_HOME": str(tmp_path / "home")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()

    def run(*arguments):
        return CliRunner().invoke(app, arguments, prog_name="unspoken")

    yield run
    settings.cache_clear()


@pytest.fixture
def ann(engine, project, make_event):
    """Ann asked and voted, and Bob asked."""
    told = [make_event("message", user="ann"), make_event("vote", user="ann")]
    told.append(make_event("message", user="bob", message="m2", conversation="c2"))
    with transaction(engine) as session:
        ingest(session, project, [parse(item) for item in told], sent_at=None, received_at=datetime.now(UTC))


def test_a_user_is_exported_then_erased_then_nothing_is_held(run, ann, engine, tmp_path):
    said = run("export", "user", "--project", "chat", "--user", "ann", "--out", "ann.jsonl")
    assert (said.exit_code, said.stdout) == (0, "ann.jsonl: 5 lines\n")
    lines = [json.loads(line) for line in (tmp_path / "ann.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["user", "message", "event", "event", "end"]

    said = run("erase", "--project", "chat", "--user", "ann")
    assert said.exit_code == 0, said.output
    assert said.stdout.endswith("erased: 2 events, 1 message\n")
    with reading(engine) as session:
        assert session.query(Event).count() == 1
        assert session.query(Erasure).one().finished_at is not None
        assert session.query(Job).count() == 0
        assert [row.action for row in session.query(Audit).order_by(Audit.seq)] == [
            "user.exported",
            "user.erase",
            "user.erased",
        ]
    assert run("erase", "--project", "chat", "--user", "ann").stdout.endswith("erased: nothing was held of them\n")


def test_whom_nobody_knows_is_erased_without_touching_what_was_made_of_others(run, ann, project, tmp_path):
    features = tmp_path / "home" / "cache" / project.id / "features"
    note = tmp_path / "home" / "imports" / "a-note"
    for file in (features, note):
        file.parent.mkdir(parents=True)
        file.write_text("kept")
    assert run("erase", "--project", "chat", "--user", "eve").stdout.endswith("erased: nothing was held of them\n")
    assert features.exists()
    assert not note.exists()  # it may name whoever was refused
    assert run("erase", "--project", "chat", "--user", "bob").stdout.endswith("erased: 1 event, 1 file, 1 message\n")
    assert not features.exists()


def test_a_project_that_is_not_there_is_said(run):
    said = run("erase", "--project", "shop", "--user", "ann")
    assert said.exit_code == 2
    assert "There is no project 'shop'" in said.stderr


def test_labels_of_a_file_and_of_a_project_leave_out_what_nobody_agreed_to(run, engine, project, make_event, tmp_path):
    told = []
    for user, purposes in (("ann", "service"), ("bob", "service,training")):
        own = {"conversation": f"of-{user}", "consent": f"2026-10:{purposes}"}
        told += [
            make_event("message", message=f"{user}-q", user=user, **own),
            make_event("message", message=f"{user}-a", role="assistant", parent=f"{user}-q", **own),
            make_event("vote", message=f"{user}-a", user=user, **own),
        ]
    (tmp_path / "told.jsonl").write_text("\n".join(map(json.dumps, told)))
    with transaction(engine) as session:
        ingest(session, project, [parse(item) for item in told], sent_at=None, received_at=datetime.now(UTC))
    for source in (["told.jsonl"], ["--project", "chat"]):
        said = run("pairs", *source, "--out", f"dataset-{len(source)}")
        assert said.exit_code == 0, said.output
        assert "events that may be learned from: 3 of 6 kept\n    3 no consent for training\n" in said.stdout
        assert "answers: 1 of 1 kept" in said.stdout


@pytest.mark.parametrize("user", ["", "x" * 201, "\udcff"])
@pytest.mark.parametrize("command", [("erase",), ("export", "user", "--out", "it.jsonl")])
def test_an_id_that_can_be_nobodys_is_refused(run, ann, engine, command, user):
    said = run(*command, "--project", "chat", "--user", user)
    assert (said.exit_code, "1 to 200 characters" in said.stderr) == (2, True), said.output
    with reading(engine) as session:
        assert session.query(Erasure).count() == 0
