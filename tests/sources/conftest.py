"""Files as others write them, and the real ones where they are."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from unspoken.cli import app
from unspoken.events import Event, parse
from unspoken.settings import settings
from unspoken.sources.reading import Reading

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

Import = Callable[[Callable[[Reading], Iterator[dict[str, Any]]]], tuple[list[Event], dict[str, int]]]


def read(make: Callable[[Reading], Iterator[dict[str, Any]]]) -> tuple[list[Event], dict[str, int]]:
    """Every event of an importer, as POST /v1/events takes them, and how often what was left out, by reason."""
    reading = Reading()
    events = [parse(each) for each in make(reading)]
    # What holds of every source: an id is one event, and nobody answers before he was asked.
    assert len({event.id for event in events}) == len(events)
    at = {event.message: event.at for event in events if event.kind == "message"}
    for event in events:
        if event.kind == "message" and event.parent in at:
            assert at[event.parent] <= event.at
    assert reading.done <= reading.total
    return events, {reason: each.count for reason, each in reading.left_out.items()}


@pytest.fixture(scope="session")
def importer() -> Import:
    """Runs an importer to its end."""
    return read


@pytest.fixture
def jsonl(tmp_path) -> Callable[..., Path]:
    """Writes objects, or raw lines, as a file of lines."""

    def write(*lines: object, name: str = "log.jsonl") -> Path:
        raw = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return write


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real logs beside the project; where it is absent, the tests that read it say so."""
    if not SHARED.is_dir():
        pytest.skip(f"the real logs are not there: {SHARED}")
    return SHARED


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def cli(tmp_path, monkeypatch, database_url) -> Iterator[Callable[..., Ran]]:
    """Runs `unspoken ARGUMENTS` in an empty folder, on a fresh database of each kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UNSPOKEN_DATABASE_URL", database_url)
    settings.cache_clear()

    def run(*arguments: str) -> Ran:
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "120"}, prog_name="unspoken")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    yield run
    settings.cache_clear()
