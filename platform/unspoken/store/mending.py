"""Segments that cannot be read are thrown away and made anew, once: they are a copy of what the database holds."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from polars.exceptions import PanicException, PolarsError

from unspoken.errors import Unavailable, UnspokenError
from unspoken.folders import full
from unspoken.store.sealed import clear, manifest

log = logging.getLogger(__name__)

# What a file that is damaged, missing or somebody else's makes of its reader.
DAMAGED = (PolarsError, PanicException, OSError)
Result = TypeVar("Result")


def mended(folder: Path, work: Callable[[], Result], say: Callable[[str], None]) -> Result:
    """What `work` makes of a folder that is locked; if it cannot read it, what it makes of the folder emptied.

    `say` is told so, and may raise. Unavailable when the disk is full; UnspokenError when it fails a second time.
    """
    try:
        return _unless_full(folder, work)
    except DAMAGED as error:
        note = f"What is kept in {folder} cannot be read and is thrown away, to be made anew: {_line(error)}"
    log.warning("%s", note)
    say(note)

    def anew() -> Result:
        clear(folder)
        return work()

    try:
        return _unless_full(folder, anew)
    except DAMAGED as error:
        log.exception("%s cannot be made anew", folder)
        raise UnspokenError(f"{folder} could not be read, and not made anew either: {_line(error)}") from error


def _unless_full(folder: Path, work: Callable[[], Result]) -> Result:
    try:
        return work()
    except DAMAGED as error:
        if not full(error):
            raise
        manifest(folder)  # removes what is half written, and nothing that counts
        raise Unavailable(f"No space is left to write {folder}. Free some; nothing is lost meanwhile.") from error


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
