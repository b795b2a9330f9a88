"""Commands about users whose evidence is left out of labels."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from unspoken.cli.projects import ProjectArgument
from unspoken.cli.show import counted

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from unspoken.store.tables import Project

app = typer.Typer(
    no_args_is_help=True,
    help="Users left out of labels: bots and whom you name. Their data stays, and lifting undoes it.",
)

HASH = re.compile("[0-9a-f]{64}")
UserArgument = Annotated[
    str,
    typer.Argument(
        metavar="USER",
        help="The chatbot's own id of the user, or their hash, as `list` and the reports of votes say it.",
    ),
]


@app.command("list")
def listed(project: ProjectArgument) -> None:
    """Who is in quarantine, since when and why; then who was and has been lifted.

    Users are hashes: the chatbot's own ids are not stored.

    Example: `unspoken quarantine list shop`.
    """
    from unspoken.store import quarantine

    with _at(project, writing=False) as (session, found):
        rows = quarantine.listed(session, found.id)
    for row in sorted(rows, key=lambda row: row.undone_at is not None):
        until = f"lifted {row.undone_at:%Y-%m-%d}" if row.undone_at else "held"
        typer.echo(f"{row.user}  {row.since:%Y-%m-%d}  {until}  {row.reason}")
    if not rows:
        typer.echo(f"Nobody is in quarantine, and nobody was. Look for bots: unspoken quarantine scan {project}")


@app.command()
def add(
    project: ProjectArgument,
    user: UserArgument,
    reason: Annotated[str, typer.Option(help="Why, in words: the report's account of what was left out says it.")],
) -> None:
    """Leave a user's votes and acts out of every dataset made from now on.

    Example: `unspoken quarantine add shop ann@example.org --reason "tests the shop for us"`.
    """
    from unspoken.errors import NotFound
    from unspoken.store import audit, people, quarantine

    with _at(project) as (session, found):
        hashed = _hash(session, found, user)
        if people.find(session, found.id, hashed) is None:
            raise NotFound(f"No event of {project} names the user {user!r}; give their id as the chatbot sends it.")
        new = quarantine.put(session, found.id, hashed, reason, audit.HERE)
    typer.echo(
        "held: labels made from now on leave them out" if new else "was in quarantine already, for another reason"
    )


@app.command()
def lift(project: ProjectArgument, user: UserArgument) -> None:
    """Undo it: the next labels have the user again, and no scan puts them back.

    Example: `unspoken quarantine lift shop ann@example.org`.
    """
    from unspoken.errors import NotFound
    from unspoken.store import audit, quarantine

    with _at(project) as (session, found):
        if not quarantine.lift(session, found.id, _hash(session, found, user), audit.HERE):
            raise NotFound(f"{user!r} is not in quarantine; unspoken quarantine list {project} says who is.")
    typer.echo("lifted: labels made from now on have them again")


@app.command()
def scan(project: ProjectArgument) -> None:
    """Look for bots among everyone, and put them in, as each build of labels does by itself.

    The rules are reading times all alike, never asleep, faster than anyone, like a clock: docs/votes.md.

    Example: `unspoken quarantine scan shop`.
    """
    from unspoken.consent import TRAINING
    from unspoken.pairs.consented import consented
    from unspoken.signals.bots import bots
    from unspoken.signals.episodes import episodes
    from unspoken.store import consents, database, erasure, projects, quarantine, reading

    engine = database.connect()
    try:
        with database.reading(engine) as session:
            found = projects.get(session, project)
            marked = erasure.mark(session, found.id)
            messages, events = reading.read_messages(session, found.id), reading.read_events(session, found.id)
            messages, events, _ = consented(messages, events, consents.refused(session, found, TRAINING))
        answers = episodes(messages, events)
        flagged = bots(answers)
        with database.transaction(engine) as session:
            erasure.unchanged(session, found.id, marked)
            new = quarantine.scan(session, found.id, flagged.iter_rows())
    finally:
        engine.dispose()
    for user, reason in flagged.filter(flagged["user"].is_in(new)).iter_rows():
        typer.echo(f"{user}  {reason}")
    people = counted(answers["user"].n_unique(), "users")
    typer.echo(f"{people} looked at, {flagged.height} flagged, {len(new)} new in quarantine")


@contextmanager
def _at(project: str, *, writing: bool = True) -> "Iterator[tuple[Session, Project]]":
    from unspoken.store import database, projects

    engine = database.connect()
    try:
        with (database.transaction if writing else database.reading)(engine) as session:
            yield session, projects.get(session, project)
    finally:
        engine.dispose()


def _hash(session: "Session", project: "Project", user: str) -> str:
    """The user's hash: what was given where some event names it as one, else that of the chatbot's own id."""
    from unspoken.errors import BadInput
    from unspoken.events import hash_user
    from unspoken.store import people

    if HASH.fullmatch(user) and people.find(session, project.id, user):
        return user
    try:
        return hash_user(project.user_secret, user)
    except UnicodeEncodeError:
        raise BadInput("A user's id is unicode; nobody has this one.") from None
