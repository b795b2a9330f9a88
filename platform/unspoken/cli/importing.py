"""`unspoken import`: events of a file or of known chats, into the database or to a server."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unspoken.cli import source as sources
from unspoken.cli.sending import sending
from unspoken.cli.show import Progress, ProgressOption, Style, progress
from unspoken.cli.source import Source
from unspoken.errors import BadInput, UnspokenError
from unspoken.settings import settings
from unspoken.sources.batches import Write, each, resumed
from unspoken.sources.making import THUMBS
from unspoken.sources.position import Position, Tally, fingerprint
from unspoken.sources.reading import Reading

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(
    no_args_is_help=True,
    help="A recording into a project, by the same code as POST /v1/events. Twice is once.",
)

ProjectOption = Annotated[str | None, typer.Option("--project", help="Into which project; made when it is new.")]
SendOption = Annotated[str | None, typer.Option("--send", help="Send to this server instead of the database.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="A secret key of the server's project.")]
FileArgument = Annotated[Path, typer.Argument(help="The file to read; packed where its name ends in .gz.")]
ScaleOption = Annotated[
    str | None, typer.Option("--scale", help="Lowest and highest of ratings that are no thumbs, as in 1..5.")
]


@app.command("world")
def world_command(
    folder: Annotated[Path, typer.Argument(help="A world folder, or a file .jsonl or .jsonl.gz of events.")],
    project: ProjectOption = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """A world folder or a file of events.

    Example: `unspoken simulate --out world && unspoken import world world --project trial`.
    """
    _bring(lambda: sources.world(folder), project, send, key, style)


@app.command("chitchat")
def chitchat_command(
    project: ProjectOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many chats.")] = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """7,168 real chats between people (the package chitchat-dataset, MIT), many of them rated.

    Example: `unspoken import chitchat --project chitchat`.
    """
    _bring(lambda: sources.chitchat(limit), project, send, key, style)


@app.command("openai")
def openai_command(
    file: FileArgument,
    project: ProjectOption = None,
    scale: Annotated[
        str | None, typer.Option("--scale", help="What numbers mean: 1..5 (lowest and highest), or thumbs (1, 0, -1).")
    ] = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """OpenAI-style JSONL: chat logs, fine-tuning files, stored completions, preferences.

    Example: `unspoken import openai log.jsonl --project shop`.
    """
    between = scale if scale == THUMBS else _scale(scale, f" or --scale {THUMBS}")
    _bring(lambda: sources.openai(file, between), project, send, key, style)


@app.command("openwebui")
def openwebui_command(
    file: FileArgument,
    project: ProjectOption = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """Open WebUI's database webui.db, opened for reading only: chats, thumbs, arena choices, regenerations.

    Example: `unspoken import openwebui webui.db --project team`.
    """
    _bring(lambda: sources.openwebui(file), project, send, key, style)


@app.command("oasst")
def oasst_command(
    file: FileArgument,
    project: ProjectOption = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """OpenAssistant's message trees: ranks become choices, thumbs become votes.

    Example: `unspoken import oasst en_100_tree.jsonl --project oasst`.
    """
    _bring(lambda: sources.oasst(file), project, send, key, style)


@app.command("halie")
def halie_command(
    folder: Annotated[Path, typer.Argument(help="HALIE's folder dialogue or metaphor, with its tables.")],
    project: ProjectOption = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """HALIE: people who talked with a chatbot, or wrote metaphors with its suggestions, and what they said of it.

    Example: `unspoken import halie halie/metaphor --project metaphor`.
    """
    _bring(lambda: sources.halie(folder), project, send, key, style)


@app.command("realhumaneval")
def realhumaneval_command(
    file: FileArgument,
    project: ProjectOption = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """RealHumanEval's table of chats: programmers with a model beside them, and what they copied.

    Example: `unspoken import realhumaneval chat_data.csv --project code`.
    """
    _bring(lambda: sources.realhumaneval(file), project, send, key, style)


@app.command("table")
def table_command(
    file: FileArgument,
    columns: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN, as in text=answer; once for each field.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help='A TOML file of lines FIELD = "COLUMN".')] = None,
    project: ProjectOption = None,
    scale: ScaleOption = None,
    send: SendOption = None,
    key: KeyOption = None,
    style: ProgressOption = Style.auto,
) -> None:
    """Any CSV or Parquet table: a row is a message (role, text), an exchange (prompt, text) or a preference (prompt,
    chosen, rejected).

    Example: `unspoken import table log.csv --map prompt=question --map text=answer --map vote=thumb --project shop`.
    """
    from unspoken.sources.table import mapping as read

    between, said = _scale(scale), read(columns or [], mapping)
    _bring(lambda: sources.table(file, said, between), project, send, key, style)


def ingest(engine: "Engine", source: Source, project: str, show: Progress) -> Tally:
    """Store a source's events in a project of that name, which is made when it is new."""
    tally = each(source, _into(engine, source, project), show, None)
    _fold(engine)
    return tally


def _into(engine: "Engine", source: Source, project: str) -> Write:
    """What stores a batch in the project, which is made when there is something to store."""
    from unspoken.events import parse
    from unspoken.store import database, projects
    from unspoken.store.columns import now
    from unspoken.store.ingest import ingest as store

    @cache
    def make() -> None:
        about = {"about": source.about}
        with database.transaction(engine) as session:
            projects.ensure(session, project, simulated=source.simulated, recipe=source.recipe, settings=about)

    def write(batch: list[dict[str, Any]], tally: Tally) -> None:
        events = []
        for item in batch:
            try:
                events.append(parse(item))
            except BadInput as error:
                tally.refuse(f"{item.get('id') if isinstance(item, dict) else item}: {error.detail}")
        if not events:
            return
        make()
        with database.transaction(engine) as session:
            # With each batch: what others bring into the project meanwhile is not mixed with it either.
            marked = projects.mark(session, projects.get(session, project).id, source.simulated)
            receipt = store(session, marked, events, sent_at=None, received_at=now())
        tally.stored += receipt.stored
        tally.repeated += receipt.repeated
        tally.erased += receipt.erased
        if receipt.conflicts:
            reason = "gives a message another text, role, parent or conversation than it had"
            tally.refuse(f"{receipt.conflicts[0]}: {reason}", len(receipt.conflicts))

    return write


def _bring(make: Callable[[], Source], project: str | None, send: str | None, key: str | None, style: Style) -> None:
    first = make()
    name = project or first.name
    if send and not key:
        raise BadInput("A server needs a key: --key KEY (unspoken keys create --project NAME --role secret).")
    place = ("send", send, key or "") if send else ("store", settings().database, name)
    position = Position(settings().home, fingerprint(first.files, *first.words, *place))
    engine: Engine | None = None
    with ExitStack() as stack:
        if send:
            write = stack.enter_context(sending(send, key or "", first.simulated))
        else:
            engine = _database()
            stack.callback(engine.dispose)
            write = _into(engine, first, name)
        show = stack.enter_context(progress(style, "sending" if send else "importing"))
        try:
            source, tally, after = resumed(first, make, write, show, position)
        except (KeyboardInterrupt, UnspokenError):
            if reached := position.read():
                typer.echo(f"stopped after {reached.total:,} events; the same command goes on from there", err=True)
            raise
        if engine is not None:
            _fold(engine)
    more = f", {tally.erased:,} of people who were erased since" if tally.erased else ""
    more += f" (resumed after {after:,} events)" if after else ""
    typer.echo(f"{tally.stored:,} stored, {tally.repeated:,} repeated, {tally.refused:,} refused{more}")
    say_left_out(source.reading)
    if tally.refused:
        raise BadInput(f"{tally.refused:,} of {tally.total:,} events were refused. The first: {tally.first_reason}")
    if not send:
        typer.echo(f"Next: unspoken pairs --project {name} --out dataset, or unspoken up")


def _database() -> "Engine":
    from unspoken import migrate
    from unspoken.store import database

    engine = database.connect()
    migrate.upgrade(engine)
    return engine


def _fold(engine: "Engine") -> None:
    """Bring what is derived from events up to them."""
    from unspoken.store.fold import fold

    fold(engine)


def say_left_out(reading: Reading) -> None:
    """A table of what did not become an event, by reason."""
    if not reading.left_out:
        return
    width = max(len(f"{left.count:,}") for left in reading.left_out.values())
    typer.echo("left out:")
    for reason, left in sorted(reading.left_out.items(), key=lambda item: -item[1].count):
        typer.echo(f"    {left.count:>{width},}  {reason}; first: {left.first}")


def _scale(said: str | None, other: str = "") -> tuple[float, float] | None:
    if said is None:
        return None
    lowest, dots, highest = said.partition("..")
    try:
        between = float(lowest), float(highest)
    except ValueError:
        between = (0.0, 0.0)
    if not dots or not between[0] < between[1] or between[1] - between[0] > 1e9:
        raise BadInput(f"--scale {said} is no scale; one looks like --scale 1..5{other}.")
    return between
