"""Parquet files of drawn chats, laid out as the platform's segments are (store/segments.py)."""

import json
from pathlib import Path

import polars as pl
from benchmarks.convert_parts.chats import BETWEEN_US, EVENTS_PER_CONVERSATION, START_US, chats

from unspoken.store.segments import FILE_ROWS, GROUP_ROWS


def seal(folder: Path, events: int, seed: int) -> None:
    """About so many events, a file for each stretch of time, sorted by conversation; nothing where it is there already.

    A conversation that runs on stands in two files, as it does where events are sealed as they come.
    """
    if (folder / "starts.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    step = int(FILE_ROWS / EVENTS_PER_CONVERSATION)
    conversations = int(events / EVENTS_PER_CONVERSATION)
    starts: list[str] = []
    waiting: dict[str, list[pl.DataFrame]] = {"messages": [], "events": []}
    for number, first in enumerate(range(0, conversations, step)):
        drawn = chats(min(step, conversations - first), seed, first)
        now = first + step
        until = pl.lit(START_US + now * BETWEEN_US).cast(pl.Datetime("us", "UTC"))
        for (name, rows), more in zip(waiting.items(), drawn, strict=True):
            every = pl.concat([*rows, more])
            known = every if now >= conversations else every.filter(pl.col("at") < until)
            waiting[name] = [] if now >= conversations else [every.filter(pl.col("at") >= until)]
            ordered = known.sort("conversation", "at", name.removesuffix("s"))
            ordered.write_parquet(folder / f"{name}-{number}.parquet", row_group_size=GROUP_ROWS, statistics=True)
            if name == "events":
                starts += ordered["conversation"].gather_every(GROUP_ROWS).to_list()
    (folder / "starts.json").write_text(json.dumps(sorted(starts)))


def cuts(folder: Path, rows: int) -> list[str]:
    """Conversations that part the events into ranges of about so many, as Segments.cuts has it."""
    starts = json.loads((folder / "starts.json").read_text())
    step = max(1, rows // GROUP_ROWS)
    return sorted(set(starts[step::step]))
