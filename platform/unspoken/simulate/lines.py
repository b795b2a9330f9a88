"""A log as the lines of events.jsonl.gz: what POST /v1/events takes, in order of arrival."""

import heapq
import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from unspoken.events.mark import MARK
from unspoken.simulate.log import Log
from unspoken.simulate.transport import SENT_AFTER_MS

_ENVELOPE = ("id", "kind", "at", "conversation", "message", "user", "page", "n", "device", "arm")


def lines(log: Log) -> Iterator[str]:
    """One event a line; where clocks are off, the pages' events in batches that say when they were sent and received.

    Such a line is {"sent_at", "received_at", "events"}; `unspoken.sources.world` corrects the clock as the server does.
    """
    rows = log.named().filter(~pl.col("lost")).sort("arrival", "number")
    if not log.draws.world.clock_skew_s:
        yield from (json.dumps(_event(row, log.texts)) for row in _rows(rows))
        return
    alone = rows.filter(~pl.col("from_page"))
    events = (json.dumps(_event(row, log.texts)) for row in _rows(alone))
    singles = zip(alone["arrival"], events, strict=True)
    batches = sorted(_batch(page, log.texts) for page in rows.filter("from_page").partition_by("exchange"))
    yield from (line for _, line in heapq.merge(singles, batches))


def _batch(page: pl.DataFrame, texts: list[str]) -> tuple[int, str]:
    """When it was received, and the line."""
    last = page.row(-1, named=True)
    received = last["arrival"] + SENT_AFTER_MS
    sent = received - last["delay_ms"] + last["clock_ms"]
    events = [_event(row, texts) for row in _rows(page)]
    return received, json.dumps({"sent_at": sent, "received_at": received, "events": events})


def _rows(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """With the page's own clock in place of the corrected time."""
    at = pl.col("at").dt.epoch("ms") - pl.col("delay_ms") + pl.col("clock_ms")
    own = rows.with_columns(at=at).drop("arrival", "delay_ms", "clock_ms", "event", "number", "lost", "repeated", "t")
    yield from own.iter_rows(named=True)


def _event(row: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    kind = row["kind"]
    if kind == "message":
        row["text"] = texts[row["text"]]
    topic = row.pop("topic")
    if kind == "message":
        row["meta"] = MARK if topic is None else {"topic": topic, **MARK}
    if row["arm"] is not None:
        row["arm"] = json.loads(row["arm"])
    if kind == "vote":
        row["value"] = int(row["value"])
    for name in ("exchange", "from_page", "other"):
        del row[name]
    first = {name: row[name] for name in _ENVELOPE if row[name] is not None}
    return first | {name: value for name, value in row.items() if value is not None}
