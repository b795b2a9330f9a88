"""How far a command is: a bar on a terminal, lines elsewhere, JSON lines for a program that watches."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

Progress = Callable[[float, str], None]
JSON_S = 0.2  # at most five JSON lines a second


class Style(StrEnum):
    """How progress is shown."""

    auto = "auto"
    plain = "plain"
    json = "json"


ProgressOption = Annotated[
    Style, typer.Option("--progress", help="auto: a bar on a terminal, lines elsewhere; json: for programs.")
]


def counted(number: int, things: str) -> str:
    """As in 1 file and 1,024 files."""
    one = {"people": "person"}.get(things, things.removesuffix("s"))
    return f"{number:,} {one if number == 1 else things}"


@contextmanager
def progress(style: Style, what: str) -> Iterator[Progress]:
    """A function that is told (share 0 … 1, note) and shows it; a block that ends well ends at 1."""
    if style is Style.auto and sys.stderr.isatty():
        with _bar(what) as show:
            yield show
            show(1.0, "")
        return
    show = _json_lines() if style is Style.json else _lines(what)
    yield show
    show(1.0, "")


def _json_lines() -> Progress:
    said = {"at": -JSON_S}

    def show(share: float, note: str) -> None:
        at = time.monotonic()
        if share >= 1 or at - said["at"] >= JSON_S:
            said["at"] = at
            print(json.dumps({"progress": round(share, 4), "note": note}), flush=True)

    return show


def _lines(what: str) -> Progress:
    said: set[int] = set()

    def show(share: float, note: str) -> None:
        tenth = int(share * 10)
        if tenth not in said:
            said.add(tenth)
            typer.echo(f"{what}: {tenth * 10:3d} % {note}", err=True)

    return show


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=1.0, note="")
        yield lambda share, note: bars.update(task, completed=share, note=note)
