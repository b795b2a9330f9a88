"""Result folders that are whole or not there, and never take the place of a stranger's files."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unspoken.errors import BadInput, Unavailable

_FULL = ("No space left", "File too large", "quota exceeded")


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
    """A folder beside, moved into place when the block ends well and removed when it does not.

    A reader sees the old folder, the new one, or none, never half of one. BadInput as check_replaceable; Unavailable
    when the disk is full.
    """
    folder = folder.absolute()
    sweep(folder)
    check_replaceable(folder, kind, ours)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    lock = os.open(beside, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that locks no folders: then nobody sweeps there either
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield beside
        # Moved away before it is removed: a folder half removed would be nobody's result, and in the way for ever.
        if folder.exists():
            folder.replace(old)
        beside.replace(folder)
    except Exception as error:
        if full(error):
            raise Unavailable(f"No space is left to write {folder}. Free some, or name another place.") from error
        raise
    finally:
        os.close(lock)
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def full(error: BaseException) -> bool:
    """Whether it says that the disk is full; each library does so in an error of its own."""
    return any(said in str(error) for said in _FULL)


def sweep(out: Path) -> None:
    """Remove what a process that was killed while it wrote `out` left beside it, .NAME.PID and .NAME.PID.old.

    A folder that was moved away for a new one which never came is put back. What a living process may be writing stays:
    one of this machine has its number, one of another machine or container holds the folder's lock.
    """
    ours = re.compile(rf"\.{re.escape(out.name)}\.([0-9]+)(\.old)?")
    for left in sorted(out.parent.iterdir()) if out.parent.is_dir() else ():
        named = ours.fullmatch(left.name)
        if named is None or _alive(int(named[1])) or not _free(left):
            continue
        if named[2] and not out.exists():
            left.replace(out)
        elif left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _free(path: Path) -> bool:
    """Whether nobody holds its lock; not where that cannot be told."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _kind(folder: Path) -> str | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None
