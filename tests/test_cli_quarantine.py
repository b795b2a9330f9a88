"""`unspoken quarantine`, as a person runs it."""

import os
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from typer.testing import CliRunner

from unspoken.cli import app
from unspoken.events import hash_user, parse
from unspoken.settings import settings
from unspoken.store import erasure, quarantine
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import ingest
from unspoken.store.tables import Quarantine

START = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture
def run(tmp_path, monkeypatch, database_url):
    """Runs `unspoken quarantine ARGUMENTS` on the fresh database."""
    for name in [name for name in os.environ if name.startswith("UNSPOKEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UNSPOKEN_DATABASE_URL", database_url)
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["quarantine", *arguments], prog_name="unspoken")
    settings.cache_clear()


@pytest.fixture
def crowd(engine, project, make_event):
    """Twelve people who ask five times, and a bot that asks every ten minutes to the second."""
    random, told = Random(1), []
    for user, count in [*((f"person-{n}", 5) for n in range(12)), ("bot", 15)]:
        at = START
        for turn in range(count):
            at += timedelta(seconds=600 if user == "bot" else random.lognormvariate(7, 1))
            name, own = f"{user}-{turn}", {"conversation": f"c-{user}-{turn}"}
            told += [
                make_event("message", message=f"{name}-q", user=user, at=at.isoformat(), **own),
                make_event(
                    "message", message=f"{name}-a", role="assistant", parent=f"{name}-q", duration_ms=4000,
                    at=(at + timedelta(seconds=1)).isoformat(), **own,
                ),
            ]  # fmt: skip
    with transaction(engine) as session:
        ingest(session, project, [parse(item) for item in told], sent_at=None, received_at=datetime.now(UTC))


@pytest.fixture
def bot(project):
    """The bot's hash."""
    return hash_user(project.user_secret, "bot")


def test_a_scan_finds_the_bot_a_lift_lets_it_go_and_no_scan_takes_it_again(run, crowd, bot):
    said = run("scan", "chat")
    assert said.exit_code == 0, said.output
    assert f"{bot}  like a clock: prompts within 0 s" in said.stdout
    assert said.stdout.endswith("13 users looked at, 1 flagged, 1 new in quarantine\n")
    assert "held  like a clock" in run("list", "chat").stdout
    assert run("scan", "chat").stdout == "13 users looked at, 1 flagged, 0 new in quarantine\n"

    assert run("lift", "chat", "bot").stdout.startswith("lifted")
    assert f"lifted {datetime.now(UTC):%Y-%m-%d}  like a clock" in run("list", "chat").stdout
    assert run("scan", "chat").stdout.endswith("1 flagged, 0 new in quarantine\n")


def test_a_user_is_named_by_the_chatbots_id_or_by_the_hash(run, crowd, bot, engine, project):
    assert run("add", "chat", "bot", "--reason", "ours").stdout.startswith("held")
    assert run("add", "chat", bot, "--reason", "again").stdout.startswith("was in quarantine already")
    with reading(engine) as session:
        assert quarantine.who(session, project.id).rows() == [(bot, "ours")]
    assert run("lift", "chat", bot).exit_code == 0
    said = run("lift", "chat", bot)
    assert (said.exit_code, "is not in quarantine" in said.stderr) == (2, True)


def test_nobody_in_it_is_said_and_how_to_go_on(run, project):
    assert run("list", "chat").stdout == (
        "Nobody is in quarantine, and nobody was. Look for bots: unspoken quarantine scan chat\n"
    )


@pytest.mark.parametrize("user", ["nobody", "\udcff"])
def test_a_user_whom_no_event_names_is_not_put_in(run, crowd, engine, user):
    said = run("add", "chat", user, "--reason", "a slip of the pen")
    assert said.exit_code == 2
    assert "error: " in said.stderr
    with reading(engine) as session:
        assert session.query(Quarantine).count() == 0


def test_a_project_that_is_not_there_is_said(run, project):
    for arguments in (["list", "shop"], ["scan", "shop"], ["lift", "shop", "ann"]):
        said = run(*arguments)
        assert (said.exit_code, "There is no project 'shop'" in said.stderr) == (2, True)


def test_nobody_is_scanned_while_a_user_is_being_erased(run, crowd, bot, engine, project):
    with transaction(engine) as session:
        erasure.ask(session, project.id, bot, "a test")
    said = run("scan", "chat")
    assert (said.exit_code, "is being erased" in said.stderr) == (2, True)
    with reading(engine) as session:
        assert session.query(Quarantine).count() == 0
