"""Parquet files of drawn chats, laid out as the platform's segments are (store/segments.py)."""

from pathlib import Path

import msgspec
import polars as pl
from benchmarks.convert_parts.chats import BETWEEN_US, EVENTS_PER_CONVERSATION, START_US, chats

from unspoken.store.sealed import File, Manifest
from unspoken.store.segments import COLUMNS, FILE_ROWS, GROUP_ROWS, Segments

NAME = "manifest.json"


def seal(folder: Path, events: int, seed: int) -> None:
    """About so many events, a file for each stretch of time, sorted by conversation; nothing where it is there already.

    A conversation that runs on stands in two files, as it does where events are sealed as they come.
    """
    if (folder / NAME).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    step = int(0.98 * FILE_ROWS / EVENTS_PER_CONVERSATION)  # a file is never fuller than the platform's
    conversations = int(events / EVENTS_PER_CONVERSATION)
    files: dict[str, list[File]] = {"messages": [], "events": []}
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
            if name == "events":
                ordered = ordered.with_columns(pl.lit(None, pl.String).alias("consent"))
            file, talks = f"{name}-{number}.parquet", ordered["conversation"]
            ordered.write_parquet(folder / file, row_group_size=GROUP_ROWS, statistics=True)
            files[name].append(File(file, len(talks), talks.gather_every(GROUP_ROWS).to_list(), talks[-1]))
    manifest = Manifest(COLUMNS, made=number + 1, events=files["events"], messages=files["messages"])
    (folder / NAME).write_bytes(msgspec.json.encode(manifest))


def opened(folder: Path, out: Path, files: int | None = None) -> Segments:
    """What was sealed, or its first files, in a folder of its own where more can be made of it."""
    every = msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    manifest = msgspec.structs.replace(every, events=every.events[:files], messages=every.messages[:files])
    out.mkdir()
    for file in (*manifest.events, *manifest.messages):
        (out / file.name).symlink_to((folder / file.name).absolute())
    return Segments(out, manifest)
