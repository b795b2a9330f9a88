"""The command line: what it teaches, and what it says about bad input. Each command runs as a user would run it."""

import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from uuid import uuid4

import pytest
from typer.testing import CliRunner

import unspoken
from unspoken.cli import app
from unspoken.settings import settings

ROOT = Path(unspoken.__file__).parents[2]
SOURCES = os.pathsep.join([str(ROOT / "platform"), str(ROOT / "workers")])
COMMANDS = [
    "demo",
    "up",
    "serve",
    "worker",
    "migrate",
    "import",
    "simulate",
    "pairs",
    "train",
    "score",
    "report",
    "keys",
    "projects",
    "export",
    "erase",
]
SOURCES_OF_IMPORT = (
    "world", "chitchat", "openai", "openwebui", "oasst", "halie", "realhumaneval", "table",
)  # fmt: skip
NO_TORCH = "import sys; sys.modules.update(dict.fromkeys(('polars', 'torch', 'transformers')))"


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `unspoken ARGUMENTS` in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("UNSPOKEN_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **given: str) -> Ran:
        settings.cache_clear()
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "120", **given}, prog_name="unspoken")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    yield run
    settings.cache_clear()


@pytest.fixture
def process(tmp_path):
    """The same in a process of its own, after some Python."""

    def process(*arguments: str, before: str = "") -> Ran:
        environment = {**os.environ, "PYTHONPATH": SOURCES, "UNSPOKEN_HOME": str(tmp_path / "home")}
        start = [sys.executable, "-c", f"{before}\nfrom unspoken.cli import app; app(prog_name='unspoken')"]
        if not before:
            start = [sys.executable, "-m", "unspoken"]
        done = subprocess.run(
            [*start, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return process


def refused(ran: Ran, *words: str) -> None:
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    last = " ".join(ran.stderr.split())
    assert "error: " in last
    for word in words:
        assert word in last, last


def message(name: str, role: str, text: str, minute: int, **more) -> dict[str, object]:
    at = f"2026-10-01T12:{minute:02}:00Z"
    base = {"id": str(uuid4()), "kind": "message", "at": at, "conversation": "c", "message": name}
    return {**base, "role": role, "text": text, **more}


@pytest.fixture
def events(tmp_path) -> Path:
    """A conversation of one exchange, as a packed file."""
    path = tmp_path / "events.jsonl.gz"
    lines = [
        message("q", "user", "What is a lease?", 0, user="anna"),
        message("a", "assistant", "A promise with an end.", 1, parent="q"),
    ]
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


def test_help_lists_every_command_and_does_not_wait_for_torch(process):
    before = getrusage(RUSAGE_CHILDREN)
    helped = process("--help", before=NO_TORCH)
    after = getrusage(RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 3  # of the processor: well under 1 s
    assert helped.returncode == 0
    assert [name for name in COMMANDS if f" {name} " not in helped.stdout] == []


@pytest.mark.parametrize("command", [
    *([name] for name in COMMANDS if name not in ("import", "export", "keys", "projects")),
    *(["import", name] for name in SOURCES_OF_IMPORT),
    ["export", "events"], ["export", "pairs"], ["export", "formats"], ["export", "user"],
    ["keys", "create"], ["keys", "list"], ["keys", "rotate"], ["keys", "revoke"],
    ["projects", "list"], ["projects", "show"], ["projects", "set"],
], ids=" ".join)  # fmt: skip
def test_help_teaches_with_an_example(run, command):
    helped = run(*command, "--help")
    assert helped.returncode == 0
    assert "Example: " in helped.stdout or "Example:" in helped.stdout


def test_the_collector_needs_no_torch_and_other_commands_say_what_is_missing(process):
    key = process("keys", "create", "--project", "shop", before=NO_TORCH)
    assert key.stdout.startswith("uns_write_"), key.stderr
    refused(process("simulate", "--out", "world", before=NO_TORCH), 'pip install "unspoken[train]"')


def test_events_are_imported_once_and_become_a_dataset(run, events):
    first = run("import", "world", str(events), "--project", "shop")
    assert (first.returncode, first.stdout.splitlines()[0]) == (0, "2 stored, 0 repeated, 0 refused"), first.stderr
    assert run("import", "world", str(events), "--project", "shop").stdout.startswith("0 stored, 2 repeated")
    made = run("pairs", "--project", "shop", "--out", "dataset")
    assert made.returncode == 0, made.stderr
    assert "conversations: 1 of 1 kept" in made.stdout
    from_file = run("pairs", str(events), "--out", "other")
    assert from_file.stdout.replace("other", "dataset") == made.stdout


def test_progress_can_be_read_by_a_program(run, events):
    made = run("pairs", str(events), "--out", "dataset", "--progress", "json")
    lines = [json.loads(line) for line in made.stdout.splitlines() if line.startswith("{")]
    assert lines[-1]["progress"] >= 0.9
    assert all(set(line) == {"progress", "note"} for line in lines)


def test_an_event_that_does_not_fit_is_named(run, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(message("a", "user", "hello", 0) | {"kind": "vibe"}) + "\n")
    refused(run("pairs", str(path), "--out", "dataset"), "event 1", "vibe")
    refused(run("import", "world", str(path)), "1 of 1 events were refused", "vibe")
    assert not (tmp_path / "dataset").exists()


def test_a_source_that_is_not_there_is_said(run, tmp_path):
    refused(run("pairs", "nowhere", "--out", "dataset"), "There is no nowhere", "unspoken simulate")
    refused(run("pairs", "--out", "dataset"), "SOURCE", "--project")
    refused(run("import", "world", "nowhere"), "There are no events at nowhere")
    (tmp_path / "half.jsonl").write_text('{"id": 1')
    refused(run("pairs", "half.jsonl", "--out", "dataset"), "half.jsonl, line 1")


def test_an_empty_project_has_nothing_to_label(run):
    run("keys", "create", "--project", "shop")
    refused(run("pairs", "--project", "shop", "--out", "dataset"), "nothing to label yet")
    refused(run("pairs", "--project", "shoe", "--out", "dataset"), "There is no project 'shoe'", "shop")


def test_a_world_with_an_unknown_setting_is_refused_and_nothing_is_written(run, tmp_path):
    (tmp_path / "world.toml").write_text("peple = 3\n")
    refused(run("simulate", "--world", "world.toml", "--out", "world"), "peple", "users")
    assert not (tmp_path / "world").exists()


def test_a_server_that_is_not_there_is_said(run, events):
    refused(run("import", "world", str(events), "--send", "http://127.0.0.1:1"), "--key")
    refused(run("import", "world", str(events), "--send", "nonsense", "--key", "k"), "no address of a server")


def test_a_database_that_is_not_there_is_said(run):
    refused(run("migrate", UNSPOKEN_DATABASE_URL="nonsense"), "UNSPOKEN_DATABASE_URL")
    refused(run("migrate", UNSPOKEN_DATABASE_URL="mysql://u:secret@h/d"), "not supported")
    absent = run("migrate", UNSPOKEN_DATABASE_URL="postgresql://u:secret@127.0.0.1:1/d")
    refused(absent, "cannot be reached")
    assert "secret" not in absent.stderr


def test_a_setting_that_does_not_fit_is_named(run):
    refused(run("migrate", UNSPOKEN_PORT="many"), "UNSPOKEN_PORT", "many")


@pytest.mark.parametrize("command", ["serve", "up"])
@pytest.mark.parametrize("url", ["localhost:8799", "ftp://host/v1", "http://", "https://host:port/v1"])
def test_an_upstream_that_is_no_web_address_is_said_before_anything_starts(run, command, url):
    refused(run(command, UNSPOKEN_UPSTREAM_URL=url), "UNSPOKEN_UPSTREAM_URL", url, "https://host/v1")


def test_a_redaction_hook_that_cannot_be_loaded_is_said_before_the_server_starts(run):
    refused(run("serve", UNSPOKEN_REDACT_HOOK="no.such:hook"), "UNSPOKEN_REDACT_HOOK", "no.such:hook")


def test_tables_go_up_and_down_and_down_wants_to_know_how_far(run):
    assert "no revision" in run("migrate", "current").stdout
    assert "is at 0005" in run("migrate").stdout
    refused(run("migrate", "down"), "--to base")
    assert "no revision" in run("migrate", "down", "--to", "base").stdout


def test_a_key_is_shown_once_listed_without_its_text_and_revoked(run):
    key = run("keys", "create", "--project", "shop", "--role", "secret").stdout.strip()
    listed = run("keys", "list", "--project", "shop").stdout
    assert key[-4:] in listed and key not in listed
    assert run("keys", "revoke", listed.split()[0]).stdout == "revoked\n"
    assert "revoked" in run("keys", "list", "--project", "shop").stdout
    refused(run("keys", "create", "--project", "shop", "--role", "king"), "king", "secret")
    refused(run("keys", "revoke", "nobody"), "nobody")


def test_a_folder_without_manifest_is_no_dataset_and_no_run(run, tmp_path):
    (tmp_path / "half").mkdir()
    refused(run("train", "half", "--family", "stated", "--out", "run"), "half is not a finished dataset")
    refused(
        run("report", "half", "--stated", "s", "--revealed", "r", "--out", "report"), "half is not a finished dataset"
    )
    assert not (tmp_path / "run").exists() and not (tmp_path / "report").exists()


def test_a_device_or_a_base_model_that_is_not_there_is_said_and_nothing_is_written(run, tmp_path, events):
    run("pairs", str(events), "--out", "dataset")
    train = ("train", "dataset", "--family", "stated", "--out", "run")
    refused(run(*train, "--device", "cuda:9"), "cuda:9")
    refused(run(*train, "--base-model", "./nowhere"), "./nowhere")
    refused(run(*train), "stated")
    refused(run("score", "run", "dataset", "--out", "scores.parquet"), "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".unspoken", "dataset", "events.jsonl.gz"]
