"""Result folders after a process was killed at any moment: what it left goes, and nothing else."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unspoken import folders

KILLED = """
import os, signal, sys
from pathlib import Path
from unspoken import folders

out, when = Path(sys.argv[1]), sys.argv[2]
real = Path.replace

def replace(path, target):  # killed between the two moves
    real(path, target)
    os.kill(os.getpid(), signal.SIGKILL)

with folders.replacing(out, "thing") as beside:
    (beside / "manifest.json").write_text('{"kind": "thing", "of": "the killed"}')
    if when == "writing":
        os.kill(os.getpid(), signal.SIGKILL)
    Path.replace = replace
"""


@pytest.fixture
def killed(tmp_path):
    """What a process leaves that is killed while it writes tmp_path/out, or between its two moves."""

    def run(when):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "out"), when]
        path = os.pathsep.join(entry for entry in sys.path if entry)
        assert subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": path}).returncode == -9
        return names(tmp_path)

    return run


@pytest.fixture
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(out, said):
    with folders.replacing(out, "thing") as beside:
        (beside / "manifest.json").write_text(f'{{"kind": "thing", "of": "{said}"}}')


def test_what_a_killed_process_left_goes_with_the_next_run(killed, tmp_path):
    (left,) = killed("writing")
    assert left.startswith(".out.")
    write(tmp_path / "out", "the next")
    assert names(tmp_path) == ["out"]


def test_a_folder_that_was_moved_away_for_one_that_never_came_is_put_back(killed, tmp_path):
    write(tmp_path / "out", "the first")
    assert len(killed("moving")) == 2  # the new one and the old one; none has the name
    folders.sweep(tmp_path / "out")
    assert names(tmp_path) == ["out"]
    assert "the first" in (tmp_path / "out" / "manifest.json").read_text()


def test_what_a_living_process_writes_stays(tmp_path):
    theirs = f".out.{os.getppid()}"
    (tmp_path / theirs).mkdir()
    write(tmp_path / "out", "ours")
    assert names(tmp_path) == [theirs, "out"]


def test_what_another_machine_writes_stays_while_it_holds_the_lock(tmp_path, dead):
    theirs = tmp_path / f".out.{dead}"
    theirs.mkdir()
    lock = os.open(theirs, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folders.sweep(tmp_path / "out")
    assert names(tmp_path) == [theirs.name]
    os.close(lock)
    folders.sweep(tmp_path / "out")
    assert names(tmp_path) == []


def test_while_a_folder_is_written_its_lock_is_held(tmp_path):
    with folders.replacing(tmp_path / "out", "thing") as beside:
        other = os.open(beside, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)


def test_nothing_of_another_name_is_touched(tmp_path, dead):
    others = [f"out.{dead}", f".out.{dead}.new", f".outer.{dead}", ".out.x", ".out.", f".o.{dead}", f"..out.{dead}"]
    for name in others:
        (tmp_path / name).write_text("dear anna")
    folders.sweep(tmp_path / "out")
    assert names(tmp_path) == sorted(others)


def test_a_file_and_a_link_of_a_dead_process_go_and_not_what_it_points_to(tmp_path, dead):
    (tmp_path / "letters").mkdir()
    (tmp_path / f".out.{dead}").symlink_to(tmp_path / "letters")
    (tmp_path / f".log.jsonl.{dead}").write_text("half a li")
    folders.sweep(tmp_path / "out")
    folders.sweep(tmp_path / "log.jsonl")
    assert names(tmp_path) == ["letters"]


def test_a_place_that_is_not_there_yet_has_nothing_to_sweep(tmp_path):
    folders.sweep(Path(tmp_path / "deep" / "out"))
    assert names(tmp_path) == []
