"""Result folders that are whole or not there, and never take the place of a stranger's files."""

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unspoken.errors import BadInput, Unavailable

NEW, OLD = "new", "old"
_FULL = ("No space left", "File too large", "quota exceeded")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def check_replaceable(folder: Path, kind: str, ours: Callable[[Path], bool] | None = None) -> None:
    """BadInput unless the folder is new, empty, or a finished result of that kind.

    `ours` tells the last where no manifest.json says it.
    """
    if not folder.exists():
        return
    if folder.is_dir() and (not any(folder.iterdir()) or (ours(folder) if ours else _kind(folder) == kind)):
        return
    raise BadInput(f"{folder} holds something that is no {kind}; name an empty folder or a new one.")


@contextmanager
def replacing(folder: Path, kind: str, ours: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """A folder to write in, moved into place when the block ends well and removed when it does not.

    A reader sees the old folder, the new one, or none, never half of one. BadInput as check_replaceable; Unavailable
    as beside.
    """
    check_replaceable(folder, kind, ours)
    with beside(folder) as (place, folder):
        new = place / NEW
        new.mkdir()
        yield new
        check_replaceable(folder, kind, ours)  # again: what came there meanwhile is somebody's
        new.stat()  # somebody who removed it is found out before the old one moves
        # Moved away before it is removed: a folder half removed would be nobody's result, and in the way for ever.
        if folder.exists():
            folder.replace(place / OLD)
        new.replace(folder)


@contextmanager
def beside(out: Path) -> Iterator[tuple[Path, Path]]:
    """A folder to write in, next to what `out` names (a link is followed), and what it names; removed at the end.

    Its lock is held as long as it is there. Unavailable when the disk is full or somebody removed it.
    """
    real = Path(os.path.realpath(out))
    real.parent.mkdir(parents=True, exist_ok=True)
    sweep(real)
    with _locked(real) as place:
        try:
            yield place, real
        except Exception as error:
            if full(error):
                raise Unavailable(f"No space is left to write {out}. Free some, or name another place.") from error
            if not place.exists():
                raise Unavailable(f"Somebody removed {place} before {out} was whole. Write it again.") from error
            raise
        finally:
            _remove(place, real)


def full(error: BaseException) -> bool:
    """Whether it says that the disk is full; each library does so in an error of its own."""
    return any(said in str(error) for said in _FULL)


def sweep(out: Path) -> None:
    """Remove what a process that was killed while it wrote `out` left beside it: folders .NAME.unspoken-XXXXXXXX.

    A new result that was whole comes to its place first. Who writes holds the folder's lock, in any container; where
    a file system locks no folders, all of them stay.
    """
    ours = re.compile(rf"\.{re.escape(out.name)}\.unspoken-[0-9a-f]{{8}}")
    for left in sorted(out.parent.iterdir()) if out.parent.is_dir() else ():
        if ours.fullmatch(left.name) is None:
            continue
        with suppress(OSError):  # no folder, locked, gone, or not ours to open
            lock = os.open(left, _FOLDER)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(left, out)
            finally:
                os.close(lock)


@contextmanager
def _locked(out: Path) -> Iterator[Path]:
    """A new folder beside, locked. One that was swept away before it was locked is made anew."""
    while True:
        place = out.with_name(f".{out.name}.unspoken-{secrets.token_hex(4)}")
        place.mkdir()
        with suppress(FileNotFoundError):
            lock = os.open(place, _FOLDER)
            with suppress(OSError):  # a file system that locks no folders: then nobody sweeps there either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if place.exists():
                break
            os.close(lock)
    try:
        yield place
    finally:
        os.close(lock)


def _remove(place: Path, out: Path) -> None:
    """Who ended between the two moves had the new folder whole, and the old one out of the way: the new one stays."""
    if (place / OLD).exists() and (place / NEW).exists() and not out.exists():
        (place / NEW).replace(out)
    shutil.rmtree(place, ignore_errors=True)


def _kind(folder: Path) -> str | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None
