"""Commands about one user's data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unspoken.cli.show import ProgressOption, Style, counted, progress

if TYPE_CHECKING:
    from sqlalchemy import Engine

LONGEST = 200  # as in the vocabulary
ProjectOption = Annotated[str, typer.Option("--project", help="The project's name or id.")]
UserOption = Annotated[str, typer.Option("--user", help="The user, by the chatbot's own id.")]


def erase(project: ProjectOption, user: UserOption, style: ProgressOption = Style.auto) -> None:
    """Erase a user everywhere: events, texts, labels, features and reports; withdraw the models that saw them.

    Needs no worker, and can be run again if it was interrupted.

    Example: `unspoken erase --project shop --user ann@example.org`.
    """
    from unspoken.jobs import erasing
    from unspoken.settings import settings
    from unspoken.store import audit, database
    from unspoken.store import erasure as steps

    with _held(project, user) as (engine, project_id, hashed), progress(style, "erasing") as show:
        with database.transaction(engine) as session:
            erasure = steps.ask(session, project_id, hashed, audit.HERE)
        counts = erasing.erase(engine, erasure, settings().home, show)
    said = ", ".join(counted(number, name) for name, number in sorted(counts.items()))
    typer.echo(f"erased: {said or 'nothing was held of them'}")


def export(
    project: ProjectOption,
    user: UserOption,
    out: Annotated[Path, typer.Option(help="The file to write, one JSON object a line.")],
) -> None:
    """Write everything that is held of a user: messages, events, labels, pairs, and the models that saw them.

    Example: `unspoken export user --project shop --user ann@example.org --out ann.jsonl`.
    """
    import msgspec

    from unspoken.store import audit, database, portability

    lines = 0
    beside = out.with_name(f".{out.name}.part")
    with _held(project, user) as (engine, project_id, hashed):
        with database.transaction(engine) as session:
            audit.write(session, project_id, audit.HERE, "user.exported", hashed)
        try:
            with database.reading(engine) as session, beside.open("wb") as file:
                for line in portability.lines(session, project_id, hashed):
                    file.write(msgspec.json.encode(line) + b"\n")
                    lines += 1
            beside.replace(out)
        finally:
            beside.unlink(missing_ok=True)
    typer.echo(f"{out}: {counted(lines, 'lines')}")


@contextmanager
def _held(project: str, user: str) -> "Iterator[tuple[Engine, str, str]]":
    """The database, the project's id and the user's hash."""
    from unspoken.errors import BadInput
    from unspoken.events import hash_user
    from unspoken.store import database, projects

    try:
        known = 0 < len(user) <= LONGEST and bool(user.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8 come as halves of surrogate pairs
        known = False
    if not known:
        raise BadInput(f"A user's id has 1 to {LONGEST} characters of unicode; nobody has this one.")
    engine = database.connect()
    try:
        with database.reading(engine) as session:
            found = projects.get(session, project)
        yield engine, found.id, hash_user(found.user_secret, user)
    finally:
        engine.dispose()
