"""The folder of a project's segments: its lock, its manifest, and its removal. What stands in the files: segments.py.

`HOME/segments/PROJECT/` holds Parquet files and `manifest.json`, which says which of them count and how far they reach.
It is replaced as a whole and last, so a writer that was killed leaves the state before, and files that nobody names,
which the next one removes. Whoever reads, writes or removes holds the lock, which a killed process lets go of.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.errors import Unavailable
from unspoken.store.tables import Event

LOOK_S = 0.05
FOREVER = float("inf")
NEVER = 2**63 - 1


class File(msgspec.Struct, frozen=True):
    """One file: its rows, the conversation each of its groups of rows begins with, and the last one (None: unknown)."""

    name: str
    rows: int
    starts: list[str]
    last: str | None = None


class Range(msgspec.Struct, frozen=True):
    """Conversations from `start` on, to where the next range begins: a file of each table made of them, by name."""

    start: str
    files: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True):
    """What counts. `ends` are (seq, id) of the first and the last event in the order of `seq`; `made` numbers files.

    `oldest` is when the first event arrived, in microseconds since 1970. Of what is made of the events, `ranges`,
    `made_by` says by which program, and the file `stale` which conversations are to be made anew (store/ranges.py).
    """

    columns: list[str]
    horizon: dict[str, int] | None = None
    ends: list[tuple[int, str]] = []
    oldest: int = NEVER
    made: int = 0
    events: list[File] = []
    messages: list[File] = []
    made_by: str = ""
    ranges: list[Range] = []
    stale: str | None = None


def near(files: Sequence[File], first: str, last: str | None) -> list[File]:
    """Those that may hold conversations from `first` to `last` (None: to the end)."""
    return [
        file for file in files if (last is None or file.starts[0] <= last) and (file.last is None or first <= file.last)
    ]


def folder(home: Path, project_id: str) -> Path:
    """Where a project's segments lie."""
    return home.absolute() / "segments" / project_id


@contextmanager
def locked(home: Path, project_id: str, check: Callable[[], None], patience_s: float = FOREVER) -> Iterator[Path]:
    """The project's folder, for nobody else meanwhile. `check` is called while waiting, and may raise.

    Unavailable when somebody else has it for longer than `patience_s`.
    """
    mine = folder(home, project_id)
    mine.parent.mkdir(0o700, parents=True, exist_ok=True)
    descriptor = os.open(mine.with_name(f"{project_id}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + patience_s
        while not _held(descriptor):
            check()
            if time.monotonic() > end:
                raise Unavailable(f"Somebody is still reading {mine}; it is tried again when that is over.")
            time.sleep(LOOK_S)
        mine.mkdir(0o700, exist_ok=True)
        yield mine
    finally:
        os.close(descriptor)


def manifest(folder: Path) -> Manifest | None:
    """What counts in a folder that is locked; None where nothing does. What a killed writer left there is removed."""
    try:
        found = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        clear(folder)
        return None
    clear(folder, named(found))
    return found


def publish(folder: Path, manifest: Manifest) -> None:
    """From here on these files count. Those that no longer do are removed; each that does was synced before."""
    beside = folder / "manifest.json.new"
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / "manifest.json")
    synced(folder)
    clear(folder, named(manifest))


def synced(path: Path) -> None:
    """A file, or which files a folder names, is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear(folder: Path, but: Collection[str] = ()) -> None:
    """Remove what stands in a folder, whoever put it there, but for these names; the manifest first."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name != "manifest.json"):
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def speaks_of(session: Session, manifest: Manifest) -> bool:
    """Whether its events are still those of this database: not another one, an earlier state, or partly removed."""
    numbers = [seq for seq, _ in manifest.ends]
    found = session.execute(select(Event.seq, Event.id).where(Event.seq.in_(numbers)))
    return {(seq, event) for seq, event in found} == set(manifest.ends)


def discard(home: Path, project_id: str, check: Callable[[], None], patience_s: float) -> int:
    """Removes a project's segments, to be made anew by whoever reads them next; how many files went."""
    if not folder(home, project_id).is_dir():  # who makes it now has not looked for erasures yet
        return 0
    with locked(home, project_id, check, patience_s) as mine:
        files = sum(1 for _ in mine.iterdir())
        clear(mine)
        mine.rmdir()
    return files


def named(manifest: Manifest) -> set[str]:
    """The files that count."""
    sealed = {each.name for each in (*manifest.events, *manifest.messages)}
    made = {file for each in manifest.ranges for file in each.files.values()}
    return {"manifest.json", *sealed, *made, *([manifest.stale] if manifest.stale else [])}


def _held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
