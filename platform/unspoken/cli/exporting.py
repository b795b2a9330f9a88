"""`unspoken export`: a project's events into a file or a world folder, as `unspoken import world` takes them back."""

import gzip
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from unspoken import folders
from unspoken.cli import exporting_pairs
from unspoken.cli.show import Progress, ProgressOption, Style, counted, progress
from unspoken.consent import TRAINING, allows
from unspoken.errors import BadInput
from unspoken.sources.reading import Reading

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from unspoken.store.tables import Project

ROWS = 5_000
ENVELOPE = ("message", "page", "n", "session", "device", "arm", "consent")
FILE, FACTS_FILE = "events.jsonl.gz", "world.toml"
Put = Callable[[dict[str, Any]], None]

app = typer.Typer(no_args_is_help=True, help="What a project holds, and datasets for trainers, as files.")
app.command("pairs")(exporting_pairs.pairs)
app.command("formats")(exporting_pairs.formats)


@app.callback()
def main() -> None:
    """What a project holds, and datasets for trainers, as files."""


@dataclass
class Exported:
    """How many events were written, and what was left out and why."""

    events: int = 0
    named: bool = False  # whether an event's consent names the purpose
    reading: Reading = field(default_factory=Reading)


@app.command("events")
def events_command(
    project: Annotated[str, typer.Option("--project", help="Whose events; its name or id.")],
    out: Annotated[Path, typer.Option(help="A file .jsonl, .jsonl.gz or .parquet, or else a world folder to write.")],
    since: Annotated[
        str | None, typer.Option(help="Only events received since this date (2026-10-01) or time (RFC 3339).")
    ] = None,
    purpose: Annotated[
        str, typer.Option(help="What the file is for: events whose consent does not name it are left out.")
    ] = "training",
    style: ProgressOption = Style.auto,
) -> None:
    """Events exactly as POST /v1/events takes them, users as hashes. The file is whole, or not there.

    Example: `unspoken export events --project shop --out shop.jsonl.gz`.
    """
    from unspoken.cli.importing import say_left_out
    from unspoken.store import database

    from_then = _since(since)
    engine = database.connect()
    try:
        with progress(style, "exporting") as show, database.reading(engine) as session:
            done = export(session, project, out, purpose, from_then, show)
    finally:
        engine.dispose()
    if not done.named and purpose != TRAINING:
        typer.echo(f"warning: no event of {project} names the purpose {purpose!r}; is it spelled so?", err=True)
    typer.echo(f"{out}: {counted(done.events, 'events')}")
    say_left_out(done.reading)
    typer.echo(f"Next: unspoken import world {out} --project NAME, or unspoken pairs {out} --out dataset")


def export(session: "Session", name: str, out: Path, purpose: str, since: datetime | None, show: Progress) -> Exported:
    """Write the project's events, as of this moment, to a file or folder; BadInput when `out` cannot be that."""
    from unspoken.store import projects

    if out.suffix not in ("", ".parquet") and not out.name.endswith((".jsonl", ".jsonl.gz")):
        raise BadInput(f"{out} is neither a file .jsonl, .jsonl.gz or .parquet nor a folder, whose name has no dot.")
    project = projects.get(session, name)
    done = Exported()

    def write(put: Put) -> None:
        with closing(_events(session, project, purpose, since, done, show)) as events:
            for event in events:
                put(event)
                done.events += 1

    if out.suffix == ".parquet":
        _parquet(out, write)
    elif out.name.endswith((".jsonl", ".jsonl.gz")):
        _file(out, write)
    else:
        with folders.replacing(out, "world", _ours) as folder:
            with _lines(folder / FILE) as put:
                write(put)
            (folder / FACTS_FILE).write_text(_facts(project, purpose, since, done), encoding="utf-8")
    return done


def _events(
    session: "Session", project: "Project", purpose: str, since: datetime | None, done: Exported, show: Progress
) -> Generator[dict[str, Any]]:
    """In the order of their numbers. `at` is the corrected time, so that reading them back gives the same times."""
    from sqlalchemy import and_, func, select

    from unspoken.events.mark import MARK
    from unspoken.store import projects
    from unspoken.store.consents import nobodys, withheld
    from unspoken.store.tables import Event, Message

    wanted = [Event.project_id == project.id, *([] if since is None else [Event.received_at >= since])]
    total = session.scalar(select(func.count()).select_from(Event).where(*wanted)) or 0
    assumed = projects.rules(project).consent == "assumed"
    own_text = and_(Message.project == Event.project, Message.id == Event.message, Event.kind == "message")
    behind = withheld(session, project, purpose)
    columns = (Event.id, Event.kind, Event.occurred_at, Event.conversation, Event.user, Event.fields, Message.text)
    more = tuple(getattr(Event, name) for name in ENVELOPE)
    statement = (
        select(nobodys(), *columns, *more).join(Message, own_text, isouter=True).where(*wanted).order_by(Event.seq)
    )
    done.named = _named(session, project.id, purpose)
    rows = session.execute(statement, execution_options={"yield_per": ROWS})
    with rows:
        for number, row in enumerate(rows, start=1):
            if number % ROWS == 0:
                show(number / total, f"{number:,} of {total:,} events")
            of_nobody, event, kind, at, conversation, user, fields, text, *rest = row
            envelope = dict(zip(ENVELOPE, rest, strict=True))
            if not allows(envelope["consent"], purpose, assumed=assumed or of_nobody):
                done.reading.leave_out(f"no consent to {purpose}", f"event {event}")
            elif conversation in behind:
                done.reading.leave_out(f"no consent to {purpose} of all of their conversation", f"event {event}")
            elif kind == "message" and text is None:
                done.reading.leave_out("a message whose text was removed", f"event {event}")
            else:
                whole = {
                    "id": str(event),
                    "kind": kind,
                    "at": at.isoformat(),
                    "conversation": conversation,
                    "user": user,
                }
                whole |= envelope | ({"text": text} if kind == "message" else {}) | fields
                if kind == "message" and project.simulated:  # the file may travel without the folder that says it
                    whole["meta"] = (whole.get("meta") or {}) | MARK
                yield {key: value for key, value in whole.items() if value is not None}


def _named(session: "Session", project_id: str, purpose: str) -> bool:
    """Whether the consent of any event names the purpose."""
    from sqlalchemy import select

    from unspoken.store.tables import Event

    said = select(Event.consent).where(Event.project_id == project_id, Event.consent.is_not(None)).distinct()
    return any(allows(consent, purpose, assumed=False) for consent in session.scalars(said))


def _file(out: Path, write: Callable[[Put], None]) -> None:
    with _beside(out) as part, _lines(part, packed=out.suffix == ".gz") as put:
        write(put)


def _parquet(out: Path, write: Callable[[Put], None]) -> None:
    """By way of lines on the disk, so that memory holds a slice and not the project."""
    import polars as pl

    whole = ("id", "kind", "at", "conversation", "user", *ENVELOPE, "text")
    schema = dict.fromkeys((*whole, "fields"), pl.String()) | {"n": pl.Int64()}
    with _beside(out) as part:
        lines = part.with_name("lines")
        with _lines(lines, packed=False) as put:

            def row(event: dict[str, Any]) -> None:
                own = {key: event.pop(key) for key in [*event] if key not in whole}
                arm = {"arm": json.dumps(event["arm"])} if "arm" in event else {}
                put(event | arm | {"fields": json.dumps(own)})

            write(row)
        at = pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC")
        if lines.stat().st_size:
            pl.scan_ndjson(lines, schema=schema).with_columns(at).sink_parquet(part)
        else:
            pl.DataFrame(schema=schema | {"at": pl.Datetime("us", "UTC")}).write_parquet(part)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A file beside, moved into place when the block ends well and removed when it does not."""
    if out.is_dir():
        raise BadInput(f"{out} is a folder; name a file, or a folder without .jsonl, .gz or .parquet in its name.")
    with folders.beside(out) as (place, real):
        part = place / folders.NEW
        yield part
        part.replace(real)


@contextmanager
def _lines(path: Path, packed: bool = True) -> Iterator[Put]:
    with path.open("wb") as raw:
        # mtime 0 and no name: the same events are the same file.
        file: IO[bytes] = gzip.GzipFile("", "wb", 6, raw, mtime=0) if packed else raw  # type: ignore[assignment]
        with file:

            def put(event: dict[str, Any]) -> None:
                file.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")

            yield put


def _facts(project: "Project", purpose: str, since: datetime | None, done: Exported) -> str:
    """world.toml: what an import needs to label these events as the project does, and where they come from."""
    from unspoken.store import projects

    about = projects.rules(project).about
    rho = (about.get("truth") or {}).get("rho")
    left = {reason: each.count for reason, each in done.reading.left_out.items()}
    told = [f"simulated = {_toml(project.simulated)}", f"recipe = {_toml(project.recipe)}"]
    told += [f"{key} = {_toml(about[key])}" for key in ("facts", "assumptions") if about.get(key)]
    told += [] if rho is None else ["", "[world]", f"rho = {_toml(rho)}"]
    told += ["", "[export]", f"project = {_toml(project.name)}", f"purpose = {_toml(purpose)}"]
    told += [] if since is None else [f"since = {since.isoformat()}"]
    told += [f"events = {done.events}", *([] if not left else ["", "[export.left_out]"])]
    told += [f"{_toml(reason)} = {count}" for reason, count in left.items()]
    return "\n".join(told) + "\n"


def _toml(value: Any) -> str:
    """JSON of plain values is TOML, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _ours(out: Path) -> bool:
    return {each.name for each in out.iterdir()} == {FILE, FACTS_FILE}


def _since(said: str | None) -> datetime | None:
    try:
        when = datetime.fromisoformat(said) if said else None
    except ValueError:
        raise BadInput(f"--since {said} is no date; one looks like 2026-10-01 or 2026-10-01T12:00:00Z.") from None
    return when.replace(tzinfo=UTC) if when and when.tzinfo is None else when
