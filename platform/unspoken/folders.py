"""Result folders that are whole or not there, and never take the place of a stranger's files."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unspoken.errors import BadInput, Unavailable

_FULL = ("No space left", "File too large")


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
    check_replaceable(folder, kind, ours)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        # Moved away before it is removed: a folder half removed would be nobody's result, and in the way for ever.
        if folder.exists():
            folder.replace(old)
        beside.replace(folder)
    except Exception as error:  # each library says it in an error of its own
        if any(said in str(error) for said in _FULL):
            raise Unavailable(f"No space is left to write {folder}. Free some, or name another place.") from error
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _kind(folder: Path) -> str | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None
