"""Commands about API keys."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from unspoken.store.tables import Key

app = typer.Typer(
    no_args_is_help=True, help="A project's keys: a page writes events with one, a server reads with another"
)

ProjectOption = Annotated[str, typer.Option("--project", help="The project's name or id.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as `unspoken keys list` shows it.")]
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command()
def create(
    project: ProjectOption,
    role: Annotated[str, typer.Option(help="write (public, in a page), secret, research or admin.")] = "write",
    name: Annotated[str, typer.Option(help="What it is for, in your words.")] = "",
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A page that a write key may be used from; may be given several times. None: any page."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Events per second of this key, in place of the server's setting.")
    ] = None,
) -> None:
    """Make a key, and the project where it is new. The key is shown once: only its hash is stored.

    Example: `unspoken keys create --project shop --name website --origin https://shop.example`.
    """
    from unspoken import migrate
    from unspoken.store import database, keys, projects

    engine = database.connect()
    migrate.upgrade(engine)
    with database.transaction(engine) as session:
        made = not projects.known(session, project)
        known = projects.ensure(session, project) if made else projects.get(session, project)
        _, plaintext = keys.create(session, known.id, role, name=name, origins=origin, events_per_s=rate)
    if made:
        typer.echo(f"new project {project!r} in {engine.url.render_as_string()}", err=True)
    typer.echo(plaintext)


@app.command("list")
def listed(project: ProjectOption) -> None:
    """A project's keys: id, role, last characters, since when, in force or not, last used, name, origins, rate.

    Example: `unspoken keys list --project shop`.
    """
    from unspoken.store import database, keys, projects

    with database.reading(database.connect()) as session:
        known = projects.get(session, project)
        rows = keys.listed(session, known.id)
    for row in rows:
        columns = (row.id, f"{row.role:<8}", f"…{row.hint}", _when(row.created_at), _state(row), _use(row), _more(row))
        typer.echo("  ".join(columns).rstrip())
    if not rows:
        typer.echo(f"{known.name} has no keys yet; make one: unspoken keys create --project {known.name}")


@app.command()
def rotate(
    key: KeyArgument,
    overlap: Annotated[
        str, typer.Option(help="How long the old key still works, as 90s, 30m, 24h or 7d; or 0.")
    ] = "24h",
) -> None:
    """Make the key that follows this one: same role, name, origins and rate. The old one works until the overlap ends.

    Example: `unspoken keys rotate 3f2a… --overlap 24h`.
    """
    from unspoken.store import database, keys

    with database.transaction(database.connect()) as session:
        _, plaintext = keys.rotate(session, key, _seconds(overlap))
    typer.echo(plaintext)


@app.command()
def revoke(key: KeyArgument) -> None:
    """Make a key, and the message tokens it issued, useless from now on.

    Example: `unspoken keys revoke 3f2a…`.
    """
    from unspoken.store import database, keys

    with database.transaction(database.connect()) as session:
        keys.revoke(session, key)
    typer.echo("revoked")


def _seconds(said: str) -> float:
    from unspoken.errors import BadInput

    found = re.fullmatch(r"(\d{1,9})([smhd]?)", said.strip(), re.ASCII)
    if not found:
        raise BadInput(f"{said[:40]!r} is no length of time; write 90s, 30m, 24h or 7d.")
    number, unit = found.groups()
    if not unit and int(number):
        raise BadInput(f"{number} of what? Write {number}s, {number}m, {number}h or {number}d.")
    return float(number) * SECONDS[unit or "s"]


def _state(key: "Key") -> str:
    from unspoken.store.columns import now

    if key.revoked_at is not None:
        return f"revoked {_when(key.revoked_at)}"
    if key.expires_at is not None:
        return f"{'ended' if key.expires_at <= now() else 'until'} {_when(key.expires_at)}"
    return "in force"


def _use(key: "Key") -> str:
    return f"used {_when(key.last_used_at)}" if key.last_used_at else "never used"


def _more(key: "Key") -> str:
    rate = "" if key.events_per_s is None else f"{key.events_per_s:g} events/s"
    return "  ".join(part for part in (key.name, " ".join(key.origins or ()), rate) if part)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
