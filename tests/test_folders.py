"""Result folders after a process was killed at any moment: what it left goes, and nothing else."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unspoken import folders
from unspoken.errors import BadInput, Unavailable

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


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(out, said):
    with folders.replacing(out, "thing") as beside:
        (beside / "manifest.json").write_text(f'{{"kind": "thing", "of": "{said}"}}')


def test_what_a_killed_process_left_goes_with_the_next_run(killed, tmp_path):
    (left,) = killed("writing")
    assert left.startswith(".out.unspoken-")
    write(tmp_path / "out", "the next")
    assert names(tmp_path) == ["out"]


def test_what_was_whole_when_the_process_was_killed_between_its_two_moves_is_kept(killed, tmp_path):
    write(tmp_path / "out", "the first")
    (left,) = killed("moving")
    assert names(tmp_path / left) == ["new", "old"]
    folders.sweep(tmp_path / "out")
    assert names(tmp_path) == ["out"]
    assert "the killed" in (tmp_path / "out" / "manifest.json").read_text()


def test_what_somebody_put_in_the_place_meanwhile_is_not_replaced(tmp_path):
    with (
        pytest.raises(BadInput, match="holds something that is no thing"),
        folders.replacing(tmp_path / "out", "thing"),
    ):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "letters.txt").write_text("dear anna")
    assert names(tmp_path / "out") == ["letters.txt"]
    assert names(tmp_path) == ["out"]


def test_a_run_that_refuses_removes_nothing(killed, tmp_path):
    left = killed("writing")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letters.txt").write_text("dear anna")
    with pytest.raises(BadInput):
        write(tmp_path / "out", "ours")
    assert names(tmp_path) == [*left, "out"]


def test_what_another_container_writes_stays_while_it_holds_the_lock(tmp_path):
    theirs = tmp_path / ".out.unspoken-0123abcd"
    theirs.mkdir()
    lock = os.open(theirs, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    write(tmp_path / "out", "ours")
    assert names(tmp_path) == [theirs.name, "out"]
    os.close(lock)
    folders.sweep(tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_while_a_folder_is_written_its_lock_is_held_and_a_second_writer_leaves_it(tmp_path):
    with folders.replacing(tmp_path / "out", "thing") as first:
        other = os.open(first.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        write(tmp_path / "out", "the second")
        (first / "manifest.json").write_text('{"kind": "thing", "of": "the first"}')
    assert names(tmp_path) == ["out"]
    assert "the first" in (tmp_path / "out" / "manifest.json").read_text()


def test_what_is_swept_away_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    real = os.open
    swept: list[object] = []

    def late(path, *how, **where):
        if not swept and Path(path).parent == tmp_path:
            swept.append(path)
            folders.sweep(tmp_path / "out")
        return real(path, *how, **where)

    monkeypatch.setattr(os, "open", late)
    write(tmp_path / "out", "ours")
    assert swept
    assert names(tmp_path) == ["out"]


def test_a_writer_whose_folder_was_removed_says_so_and_keeps_the_old_one(tmp_path):
    write(tmp_path / "out", "the first")
    with pytest.raises(Unavailable, match="Somebody removed"), folders.replacing(tmp_path / "out", "thing") as new:
        shutil.rmtree(new.parent)
    with pytest.raises(FileNotFoundError), folders.replacing(tmp_path / "out", "thing") as new:
        shutil.rmtree(new)
    assert names(tmp_path) == ["out"]
    assert "the first" in (tmp_path / "out" / "manifest.json").read_text()


@pytest.mark.parametrize("name", [".out.20261121", ".out.20261121.old", ".out.unspoken-1", ".outer.unspoken-0123abcd"])
def test_folders_and_files_of_another_name_are_the_users(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "letters.txt").write_text("dear anna")
    folders.sweep(tmp_path / "out")
    assert names(tmp_path / name) == ["letters.txt"]


def test_what_has_our_name_and_is_no_folder_stays(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / ".out.unspoken-00000000").symlink_to(tmp_path / "letters")
    (tmp_path / ".out.unspoken-00000001").write_text("dear anna")
    os.mkfifo(tmp_path / ".out.unspoken-00000002")  # to open one for reading waits for a writer
    before = names(tmp_path)
    folders.sweep(tmp_path / "out")
    assert names(tmp_path) == before


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_written_through(tmp_path, there):
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "out")
    if there:
        write(tmp_path / "disk" / "out", "the first")
    write(tmp_path / "link", "the second")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "disk") == ["out"]
    assert "the second" in (tmp_path / "disk" / "out" / "manifest.json").read_text()
    assert names(tmp_path) == ["disk", "link"]


def test_a_place_that_is_not_there_yet_has_nothing_to_sweep(tmp_path):
    folders.sweep(Path(tmp_path / "deep" / "out"))
    assert names(tmp_path) == []
