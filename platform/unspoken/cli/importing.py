"""`unspoken import`: events of a file or of known chats, into the database or to a server."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from unspoken.cli.show import Progress, ProgressOption, Style, progress
from unspoken.cli.source import Source, chitchat, world
from unspoken.errors import BadInput, NotSignedIn, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine

BATCH = 2_000  # events in one transaction, or one request
TRIES = 6

app = typer.Typer(
    no_args_is_help=True,
    help="A recording into a project, by the same code as POST /v1/events. Twice is once.",
)

ProjectOption = Annotated[str | None, typer.Option("--project", help="Into which project; made when it is new.")]
SendOption = Annotated[str | None, typer.Option("--send", help="Send to this server instead of the database.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="A secret key of the server's project.")]


@dataclass
class Tally:
    """What became of the events."""

    stored: int = 0
    repeated: int = 0
    refused: int = 0
    first_reason: str = ""

    @property
    def total(self) -> int:
        """All of them."""
        return self.stored + self.repeated + self.refused

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count events that were not stored; the first reason is kept."""
        self.refused += count
        self.first_reason = self.first_reason or reason


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
    _bring(world(folder), project, send, key, style)


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
    _bring(chitchat(limit), project, send, key, style)


def ingest(engine: "Engine", source: Source, project: str, show: Progress) -> Tally:
    """Store a source's events in a project of that name, which is made when it is new."""
    from unspoken.events import parse
    from unspoken.store import database, projects
    from unspoken.store.ingest import ingest as store
    from unspoken.store.tables import now

    with database.transaction(engine) as session:
        projects.ensure(
            session, project, simulated=source.simulated, recipe=source.recipe, settings={"about": source.about}
        )

    def write(batch: list[dict[str, Any]], tally: Tally) -> None:
        events = []
        for item in batch:
            try:
                events.append(parse(item))
            except BadInput as error:
                tally.refuse(f"{item.get('id') if isinstance(item, dict) else item}: {error.detail}")
        with database.transaction(engine) as session:
            receipt = store(session, projects.get(session, project), events, sent_at=None, received_at=now())
        tally.stored += receipt.stored
        tally.repeated += receipt.repeated
        if receipt.conflicts:
            reason = "gives a message another text, role, parent or conversation than it had"
            tally.refuse(f"{receipt.conflicts[0]}: {reason}", len(receipt.conflicts))

    return _each(source.events, write, show)


def _bring(source: Source, project: str | None, send: str | None, key: str | None, style: Style) -> None:
    name = project or source.name
    if send:
        if not key:
            raise BadInput("A server needs a key: --key KEY (unspoken keys create --project NAME --role secret).")
        with progress(style, "sending") as show:
            tally = _send(source.events, send, key, show)
    else:
        from unspoken import migrate
        from unspoken.store import database

        engine = database.connect()
        migrate.upgrade(engine)
        with progress(style, "importing") as show:
            tally = ingest(engine, source, name, show)
    typer.echo(f"{tally.stored:,} stored, {tally.repeated:,} repeated, {tally.refused:,} refused")
    if tally.refused:
        raise BadInput(f"{tally.refused:,} of {tally.total:,} events were refused. The first: {tally.first_reason}")
    if not send:
        typer.echo(f"Next: unspoken pairs --project {name} --out dataset, or unspoken up")


def _send(events: Iterator[dict[str, Any]], url: str, key: str, show: Progress) -> Tally:
    import httpx

    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise BadInput(f"{url!r} is no address of a server. One looks like http://localhost:8000.")
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:

        def post(batch: list[dict[str, Any]], tally: Tally) -> None:
            _account(_post(client, batch), tally)

        return _each(events, post, show)


def _post(client: Any, batch: list[dict[str, Any]]) -> dict[str, Any]:
    """The server's answer; the same ids again while it is busy or away, so nothing is stored twice."""
    import httpx

    reason = ""
    for attempt in range(TRIES):
        wait = 2.0**attempt / 4
        try:
            answer = client.post("/v1/events", json={"events": batch})
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
        else:
            if answer.status_code in (200, 207):
                body: dict[str, Any] = answer.json()
                return body
            reason = _detail(answer)
            if answer.status_code == 413 and len(batch) > 1:
                return _halves(client, batch)
            if answer.status_code in (401, 403):
                raise NotSignedIn(reason)
            if answer.status_code not in (429, 503):
                raise BadInput(f"The server refused a batch ({answer.status_code}): {reason}")
            said = answer.headers.get("Retry-After", "")
            wait = min(float(said) if said.isdigit() else wait, 30.0)
        if attempt + 1 < TRIES:
            time.sleep(wait)
    raise Unavailable(f"{client.base_url} did not take the events in {TRIES} tries: {reason}. Try again later.")


def _halves(client: Any, batch: list[dict[str, Any]]) -> dict[str, Any]:
    """Both halves of a batch that was too large for one request."""
    middle = len(batch) // 2
    answers = [_post(client, half) for half in (batch[:middle], batch[middle:])]
    return {
        "stored": sum(int(answer.get("stored", 0)) for answer in answers),
        "repeated": sum(int(answer.get("repeated", 0)) for answer in answers),
        "items": [item for answer in answers for item in answer.get("items", [])],
    }


def _account(answer: dict[str, Any], tally: Tally) -> None:
    items = answer.get("items", [])
    tally.stored += int(answer.get("stored", 0))
    tally.repeated += int(answer.get("repeated", 0))
    for item in items:
        if int(item.get("status", 200)) >= 400:
            tally.refuse(f"{item.get('id')}: {item.get('detail')}")


def _detail(answer: Any) -> str:
    try:
        return str(answer.json().get("detail", answer.text))
    except ValueError:
        return str(answer.text)[:200]


def _each(events: Iterable[Any], write: Callable[[list[Any], Tally], None], show: Progress) -> Tally:
    """Batch by batch. How many will come is not known, so the bar fills halfway to what is left, as it were."""
    tally, stream = Tally(), iter(events)
    while batch := list(islice(stream, BATCH)):
        write(batch, tally)
        show(tally.total / (tally.total + 20_000), f"{tally.total:,} events")
    show(1.0, f"{tally.total:,} events")
    return tally
