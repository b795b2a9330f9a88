"""Commands about projects and what they go by."""

import json
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="Projects, one per chatbot, and their settings")

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name or id.")]


@app.command("list")
def listed() -> None:
    """Every project: name, recipe of its labels, since when, and which settings are not at their default.

    Example: `unspoken projects list`.
    """
    from unspoken.store import database, projects

    engine = database.connect()
    try:
        with database.reading(engine) as session:
            found = projects.listed(session)
    finally:
        engine.dispose()
    for project in found:
        chosen = projects.rules(project).model_dump(mode="json", exclude_defaults=True, exclude={"about"})
        words = " ".join(f"{name}={_shown(value)}" for name, value in chosen.items())
        kind = "simulated" if project.simulated else "recorded "
        typer.echo(f"{project.name}  {project.recipe}  {kind}  {project.created_at:%Y-%m-%d}  {words}".rstrip())
    if not found:
        where = engine.url.render_as_string()
        typer.echo(f"There are no projects yet in {where}; make one with a key: unspoken keys create --project shop")


@app.command()
def show(project: ProjectArgument) -> None:
    """A project's settings, those at their defaults as well, as `projects set` takes them.

    Example: `unspoken projects show shop`.
    """
    from unspoken.store import database, projects

    with database.reading(database.connect()) as session:
        _show(projects.rules(projects.get(session, project)).model_dump(mode="json"))


@app.command("set")
def change(
    project: ProjectArgument,
    settings: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE…", help="NAME= alone puts a setting back to its default.")
    ],
) -> None:
    """Set what is named and leave the rest.

    Example: `unspoken projects set shop retention_days=90 consent=required redact=email,phone`.
    """
    from unspoken.store import database, projects

    changes = dict(_change(each) for each in settings)
    with database.transaction(database.connect()) as session:
        known = projects.change(session, projects.get(session, project).id, changes)
        _show(projects.rules(known).model_dump(mode="json"))


def _change(said: str) -> tuple[str, Any]:
    """A name and its JSON value."""
    from unspoken.errors import BadInput
    from unspoken.store.projects import Rules

    name, equals, value = said.partition("=")
    if not equals:
        raise BadInput(f"{said[:64]!r} sets nothing; write NAME=VALUE, as in retention_days=90.")
    if not value:
        return name, None
    if name in Rules.model_fields and isinstance(Rules.model_fields[name].default, tuple):
        return name, [each.strip() for each in value.split(",")]
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _show(rules: dict[str, Any]) -> None:
    from unspoken.store.projects import SETTABLE

    for name in SETTABLE:
        typer.echo(f"{name}={_shown(rules[name])}")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
