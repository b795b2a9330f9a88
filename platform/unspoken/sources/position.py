"""How far an import came, remembered in the home folder, so that one which was interrupted goes on from there.

The memory is a hint and never believed alone: whoever resumes sends the last batch once more, and only when all of it
was known there already does the import go on behind it. A database that was restored or replaced since gets everything.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

CHUNK = 1 << 20


@dataclass
class Tally:
    """What became of the events, from the beginning of the source.

    `total` were taken, the last `last` of them in one batch; `erased` were of people who were erased since.
    """

    stored: int = 0
    repeated: int = 0
    refused: int = 0
    erased: int = 0
    first_reason: str = ""
    total: int = 0
    last: int = 0

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count events that were not stored; the first reason is kept."""
        self.refused += count
        self.first_reason = self.first_reason or reason


def fingerprint(paths: Iterable[Path], *words: str) -> str:
    """Hex digest of the files' bytes and of the words: another file, another mapping or another place begins anew."""
    whole = blake2b("\0".join(words).encode("utf-8", "replace"), digest_size=16)
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                whole.update(chunk)
    return whole.hexdigest()


class Position:
    """One import's place in HOME/imports. Not a promise: what is lost here is sent again and counted as repeated."""

    def __init__(self, home: Path, key: str) -> None:
        self.path = home / "imports" / f"{key}.json"

    def read(self) -> Tally | None:
        """Where an earlier run came to; None when there was none, or its note cannot be read."""
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            found = Tally(**said)
            whole = (found.stored, found.repeated, found.refused, found.erased, found.total, found.last)
            fits = all(type(number) is int and number >= 0 for number in whole) and found.last <= found.total
        except (OSError, ValueError, TypeError):
            return None
        return found if fits and found.last else None

    def write(self, tally: Tally) -> None:
        """Remember, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(asdict(tally)), encoding="utf-8")
        beside.replace(self.path)

    def forget(self) -> None:
        """The import is over: the next one of this source begins at the beginning."""
        self.path.unlink(missing_ok=True)
