"""An import that was interrupted goes on where it was: after Ctrl-C, kill -9, a failing place, and one that forgot."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

import unspoken
from unspoken.errors import Unavailable
from unspoken.sources.batches import BATCH, each, resumed
from unspoken.sources.position import Position, Tally, fingerprint
from unspoken.sources.reading import Reading
from unspoken.store.database import connect, reading
from unspoken.store.tables import Event

ROOT = Path(unspoken.__file__).parents[2]


class Numbers:
    """A source of so many events, each with its number as its id; what it leaves out is counted as it is read."""

    def __init__(self, count: int) -> None:
        self.reading = Reading(total=count)
        self.events: Iterator[dict[str, Any]] = self._each(count)

    def _each(self, count: int) -> Iterator[dict[str, Any]]:
        for number in range(count):
            self.reading.done += 1
            self.reading.leave_out("every tenth has a twin", str(number), number % 10 == 0)
            yield {"id": number}


@dataclass
class Place:
    """Takes what it has not; fails after so many batches."""

    batches: int = 1_000_000
    has: set[int] = field(default_factory=set)
    taken: int = 0

    def write(self, batch: list[dict[str, Any]], tally: Tally) -> None:
        if not self.batches:
            raise Unavailable("enough for now")
        self.batches -= 1
        self.taken += len(batch)
        new = {event["id"] for event in batch} - self.has
        self.has |= new
        tally.stored += len(new)
        tally.repeated += len(batch) - len(new)


def quiet(share: float, note: str) -> None:
    assert 0 <= share <= 1


@given(count=st.integers(0, 4 * BATCH), stops=st.lists(st.integers(0, 3), max_size=4))
def test_however_often_it_is_interrupted_every_event_comes_once(tmp_path_factory, count, stops):
    position = Position(tmp_path_factory.mktemp("home"), "import")
    place = Place()
    for batches in stops:
        place.batches = batches
        try:
            resumed(Numbers(count), lambda: Numbers(count), place.write, quiet, position)
        except Unavailable:
            continue
        assert position.read() is None
    place.batches = 1_000
    read, tally, _ = resumed(Numbers(count), lambda: Numbers(count), place.write, quiet, position)
    assert place.has == set(range(count))
    assert tally.total == count
    # What was left out before the interruption is in the account all the same.
    assert sum(left.count for left in read.reading.left_out.values()) == len(range(0, count, 10))
    assert position.read() is None


def test_only_the_last_batch_is_sent_again(tmp_path):
    position, place = Position(tmp_path, "import"), Place(batches=3)
    with pytest.raises(Unavailable):
        each(Numbers(5 * BATCH), place.write, quiet, position)
    place.batches = 100
    _, tally, after = resumed(Numbers(5 * BATCH), lambda: Numbers(5 * BATCH), place.write, quiet, position)
    assert (after, tally.stored, tally.repeated, place.taken) == (3 * BATCH, 5 * BATCH, 0, 6 * BATCH)


def test_events_that_a_place_does_not_want_are_taken_all_the_same(tmp_path):
    """A server that was told to erase somebody stores nothing of them: the position counts what was sent."""
    position = Position(tmp_path, "import")
    batches = iter(range(3))

    def write(batch: list[dict[str, Any]], tally: Tally) -> None:
        if next(batches, None) is None:
            raise Unavailable("enough for now")
        tally.erased += len(batch)

    with pytest.raises(Unavailable):
        each(Numbers(5 * BATCH), write, quiet, position)
    place = Place(has=set(range(3 * BATCH)))
    _, tally, after = resumed(Numbers(5 * BATCH), lambda: Numbers(5 * BATCH), place.write, quiet, position)
    assert (after, tally.total, tally.erased, tally.stored) == (3 * BATCH, 5 * BATCH, 3 * BATCH, 2 * BATCH)


def test_a_place_that_forgot_gets_everything_again(tmp_path):
    position, place = Position(tmp_path, "import"), Place(batches=3)
    with pytest.raises(Unavailable):
        each(Numbers(5 * BATCH), place.write, quiet, position)
    restored = Place(has=set(range(BATCH)))
    _, tally, after = resumed(Numbers(5 * BATCH), lambda: Numbers(5 * BATCH), restored.write, quiet, position)
    assert restored.has == set(range(5 * BATCH))
    assert (after, tally.total) == (0, 5 * BATCH)


def test_a_source_that_became_shorter_begins_anew(tmp_path):
    position, place = Position(tmp_path, "import"), Place(batches=3)
    with pytest.raises(Unavailable):
        each(Numbers(5 * BATCH), place.write, quiet, position)
    place.batches = 100
    _, tally, after = resumed(Numbers(BATCH), lambda: Numbers(BATCH), place.write, quiet, position)
    assert (after, tally.total, tally.repeated) == (0, BATCH, BATCH)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"stored": 1}', '{"total": -1, "last": 1}', '{"total": "x", "last": 1}',
                '{"total": 3, "last": 9}', '{"when": 1}'],
)  # fmt: skip
def test_a_note_that_cannot_be_read_is_none(tmp_path, content):
    position = Position(tmp_path, "import")
    position.write(Tally(stored=5, total=5, last=5))
    assert position.read() == Tally(stored=5, total=5, last=5)
    position.path.write_text(content)
    assert position.read() is None


def test_another_file_another_mapping_and_another_place_begin_anew(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a")
    other.write_text("b")
    every = [fingerprint([one]), fingerprint([other]), fingerprint([one, other]), fingerprint([one], "x", "y"),
             fingerprint([one], "xy"), fingerprint([one], "y", "x")]  # fmt: skip
    assert len(set(every)) == len(every)
    assert fingerprint([one], "x") == fingerprint([one], "x")


def events(path: Path, count: int) -> Path:
    with path.open("w") as file:
        for number in range(count):
            identity = str(UUID(int=number + 1))
            file.write(
                json.dumps({"id": identity, "kind": "share", "at": 1_760_000_000_000, "conversation": "c"}) + "\n"
            )
    return path


def stored(url: str) -> int:
    engine = connect(url)
    with reading(engine) as session:
        count = session.scalar(select(func.count()).select_from(Event)) or 0
    engine.dispose()
    return count


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_import_goes_on_where_it_was(cli, tmp_path, database_url, how):
    path = events(tmp_path / "log.jsonl", 20 * BATCH)
    paths = os.pathsep.join([str(ROOT / "platform"), str(ROOT / "workers")])
    command = [sys.executable, "-m", "unspoken", "import", "world", str(path), "--project", "p", "--progress", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if '"note": "' in line and not line.startswith('{"progress": 1'):
                process.send_signal(how)
                break
        process.stdout.read()
    assert process.returncode == (-how if how is signal.SIGKILL else 130)
    reached = stored(database_url)
    assert 0 < reached < 20 * BATCH
    again = cli("import", "world", str(path), "--project", "p")
    assert again.code == 0, again.stderr
    assert "(resumed after " in again.stdout.splitlines()[0]
    assert stored(database_url) == 20 * BATCH
    # An import that is over is forgotten: the same again is a whole one.
    assert cli("import", "world", str(path), "--project", "p").stdout.startswith(
        "0 stored, 40,000 repeated, 0 refused\n"
    )
