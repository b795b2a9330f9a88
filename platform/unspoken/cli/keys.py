"""Commands about API keys."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="A project's keys: a page writes events with one, a server reads with another"
)

ProjectOption = Annotated[str, typer.Option("--project", help="The project's name or id.")]


@app.command()
def create(
    project: ProjectOption,
    role: Annotated[str, typer.Option(help="write (public, in a page), secret, research or admin.")] = "write",
) -> None:
    """Make a key, and the project where it is new. The key is shown once: only its hash is stored.

    Example: `unspoken keys create --project shop --role secret`.
    """
    from unspoken import migrate
    from unspoken.store import database, keys, projects

    engine = database.connect()
    migrate.upgrade(engine)
    with database.transaction(engine) as session:
        _, plaintext = keys.create(session, projects.ensure(session, project).id, role)
    typer.echo(plaintext)


@app.command("list")
def listed(project: ProjectOption) -> None:
    """A project's keys: id, role, last characters, since when, and whether revoked.

    Example: `unspoken keys list --project shop`.
    """
    from sqlalchemy import select

    from unspoken.store import database, projects
    from unspoken.store.tables import Key

    with database.reading(database.connect()) as session:
        known = projects.get(session, project)
        rows = session.scalars(select(Key).where(Key.project_id == known.id).order_by(Key.created_at)).all()
    for row in rows:
        state = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else "in force"
        typer.echo(f"{row.id}  {row.role:<8}  …{row.hint}  {row.created_at:%Y-%m-%d %H:%M}  {state}")
    if not rows:
        typer.echo(f"{known.name} has no keys yet; make one: unspoken keys create --project {known.name}")


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key's id, as `unspoken keys list` shows it.")]) -> None:
    """Make a key useless from now on.

    Example: `unspoken keys revoke 3f2a…`.
    """
    from unspoken.store import database, keys

    with database.transaction(database.connect()) as session:
        keys.revoke(session, key)
    typer.echo("revoked")
