"""One pass over a source: how far it is, what was left out and why; and the lines, objects and rows of files."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from unspoken.errors import BadInput

LINE_BYTES = 32_000_000  # a longer line is never held in memory
NOT_JSON, NOT_AN_OBJECT = "not JSON", "JSON, but not an object"
TOO_LONG = f"longer than {LINE_BYTES // 1_000_000} MB"


@dataclass
class LeftOut:
    """How often one reason was met, and where first."""

    count: int
    first: str


@dataclass
class Reading:
    """`done` of `total` (bytes of files, or rows; 0: not known) were read; `left_out` counts by reason."""

    total: int = 0
    done: int = 0
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """0 … 1, None where the total is not known."""
        return min(self.done / self.total, 1.0) if self.total else None

    def leave_out(self, reason: str, where: str, count: int = 1) -> None:
        """Count what does not become an event; `where` is a line, a row or an id."""
        if count > 0:
            self.left_out.setdefault(reason, LeftOut(0, where)).count += count

    def nothing(self, path: Path, needed: str) -> BadInput:
        """What to raise when a whole file made no event."""
        why = "; ".join(f"{each.count:,} {reason} (first: {each.first})" for reason, each in self.left_out.items())
        return BadInput(f"Nothing in {path} can be used: {needed}. Left out: {why or 'nothing, it is empty'}.")


def lines(path: Path, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and bytes of each line that is not empty; packed where the name ends in .gz.

    A line longer than LINE_BYTES is left out. BadInput says how far a broken file could be read.
    """
    with _opened(path, reading) as (raw, file):
        before, number = reading.done, 0
        try:
            while line := file.readline(LINE_BYTES + 1):
                number += 1
                long = len(line) > LINE_BYTES
                while long and line and not line.endswith(b"\n"):
                    line = file.readline(LINE_BYTES)
                reading.done = before + raw.tell()
                if long:
                    reading.leave_out(TOO_LONG, f"{path.name}, line {number}")
                elif line.strip():
                    yield number, line
        except (EOFError, OSError, zlib.error) as error:
            raise BadInput(f"{path} cannot be read beyond line {number}: {error}") from None


def objects(path: Path, reading: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where it stands, and the object, of each line of JSON; other lines are left out."""
    for number, line in lines(path, reading):
        where = f"{path.name}, line {number}"
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            reading.leave_out(NOT_JSON, where)
            continue
        if isinstance(found, dict):
            yield where, found
        else:
            reading.leave_out(NOT_AN_OBJECT, where)


def rows(path: Path, reading: Reading, needed: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """Where it stands (its last line), and the cells by column, of each row of a CSV file with a header.

    BadInput when columns of `needed` are missing; a row with another number of cells is left out.
    """
    csv.field_size_limit(LINE_BYTES)
    with _opened(path, reading) as (raw, file):
        before = reading.done
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        table = csv.reader(_bounded(text, path))
        try:
            header = next(table, [])
            if missing := [name for name in needed if name not in header]:
                raise BadInput(
                    f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(header)[:500] or 'none'}."
                )
            for cells in table:
                reading.done = before + raw.tell()
                if len(cells) == len(header):
                    yield f"{path.name}, line {table.line_num}", dict(zip(header, cells, strict=True))
                elif cells:
                    reading.leave_out("a row with another number of cells", f"{path.name}, line {table.line_num}")
        except (csv.Error, EOFError, OSError, zlib.error) as error:
            raise BadInput(f"{path} cannot be read beyond line {table.line_num}: {error}") from None


def _bounded(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    number = 0
    while line := text.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            raise BadInput(f"{path}, line {number} is {TOO_LONG}; is it a table with line ends?")
        yield line


@contextmanager
def _opened(path: Path, reading: Reading) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file as it lies on the disk, whose position tells how far we are, and its content."""
    if not path.is_file():
        raise BadInput(f"There is no file {path}. Check the path.")
    with path.open("rb") as raw:
        if path.suffix == ".gz" and raw.peek(2)[:2] not in (b"", b"\x1f\x8b"):
            raise BadInput(f"{path} is named .gz and is not packed: gzip it, or name it without .gz.")
        size = path.stat().st_size
        reading.total = max(reading.total, reading.done + size)
        with gzip.GzipFile(fileobj=raw, mode="rb") if path.suffix == ".gz" else raw as file:
            yield raw, file  # type: ignore[misc]  # GzipFile reads like IO[bytes] and is not declared as one
