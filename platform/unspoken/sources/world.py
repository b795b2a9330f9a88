"""A world folder, or a file of events, read line by line. The folder `truth/` is never opened here."""

import json
import tomllib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput
from unspoken.events import instant
from unspoken.events.mark import marked
from unspoken.sources.reading import LINE_BYTES, TOO_LONG, Reading, lines

FILE = "events.jsonl.gz"
_LOOKED_AT = 1_000  # events among which there is a message: of a world it is the first


def events_file(source: Path) -> Path:
    """The file that holds the events of a world folder, or the file itself; BadInput says what was looked for."""
    path = source / FILE if source.is_dir() else source
    if not path.is_file():
        raise BadInput(
            f"There are no events at {path}. A world folder holds events.jsonl.gz (make one: unspoken simulate --out "
            "WORLD); a file is named .jsonl or .jsonl.gz, or .parquet as `unspoken export events` writes it."
        )
    return path


def events(source: Path, reading: Reading | None = None) -> Iterator[dict[str, Any]]:
    """Events of WORLD/events.jsonl.gz, or of a .jsonl, .jsonl.gz or .parquet file.

    A line is what POST /v1/events takes as a body: an event, a list of them, or a batch, {"sent_at", "received_at",
    "events"}, whose clock is set right where it says both times.
    These are our own files: a line that is no JSON means a broken file, so BadInput names it and nothing is left out.
    """
    reading = reading or Reading()
    path = events_file(source)
    if path.suffix == ".parquet":
        yield from _parquet(path, reading)
        return
    for number, line in lines(path, reading):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{path}, line {number} is not JSON: {error}") from None
        if isinstance(said, dict) and "events" in said:
            yield from _batch(said, f"{path}, line {number}")
        elif isinstance(said, list):
            yield from said
        else:
            yield said
    if TOO_LONG in reading.left_out:
        where = reading.left_out[TOO_LONG].first
        raise BadInput(f"{where} is longer than {LINE_BYTES:,} bytes, and no event is.")


def _batch(batch: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Events of one batch, their clock corrected by when it was sent and received, as the server does."""
    events = batch["events"]
    if not isinstance(events, list):
        raise BadInput(f"{where}: `events` of a batch is no list; a list of events was needed.")
    if batch.get("sent_at") is None or batch.get("received_at") is None:
        yield from events
        return
    for name in ("sent_at", "received_at"):
        try:
            instant(batch[name])
        except ValueError as error:
            raise BadInput(f"{where}: `{name}` of the batch is {batch[name]!r}: {error}.") from None
    ahead = instant(batch["sent_at"]) - instant(batch["received_at"])
    for event in events:
        try:
            at = instant(event["at"])
        except (LookupError, TypeError, ValueError):
            yield event  # whoever parses it says what is off
        else:
            yield event | {"at": (at - ahead).isoformat()}


def about(source: Path) -> dict[str, Any]:
    """What world.toml says of how the world was made; {} where there is none."""
    path = source / "world.toml"
    if not source.is_dir() or not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is not TOML: {error}") from None


def simulated(source: Path) -> bool:
    """Whether its first events say that nobody did them."""
    return any(map(marked, islice(events(source), _LOOKED_AT)))


def _parquet(path: Path, reading: Reading) -> Iterator[dict[str, Any]]:
    """Rows as `unspoken export events` writes them: the envelope, the text, and the rest as JSON in `fields`."""
    from unspoken.sources.columns import parquet_rows

    for where, row in parquet_rows(path, reading, needed=("id", "kind", "at", "conversation", "fields")):
        try:
            own = json.loads(row.pop("fields") or "{}")
            arm = {"arm": json.loads(row["arm"])} if row.get("arm") else {}
        except (ValueError, TypeError) as error:
            raise BadInput(f"{where}: `fields` and `arm` hold JSON objects; this is not one: {error}") from None
        at = row["at"]
        said = {name: value for name, value in row.items() if value is not None}
        yield said | {"at": at.isoformat() if hasattr(at, "isoformat") else at} | arm | own
