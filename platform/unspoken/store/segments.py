"""Settled events beside the database, as Parquet: read once out of it, and many times much faster out of the files.

Each reading brings what has become settled since the last one (store/horizon.py) into a new file, sorted by
conversation; small files are merged, so their number grows with the logarithm of the rows and, from FILE_ROWS on, with
the rows themselves. No text stands in them. They are a copy: whoever doubts them removes the folder.

A message is settled with the first event that carries it, which was written in the same transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

import polars as pl
from msgspec.structs import replace
from sqlalchemy import Engine, and_
from sqlalchemy.orm import Session

from unspoken.frames import EVENTS, MESSAGES, Schema, empty
from unspoken.store import erasure, ranges, sealed
from unspoken.store.database import reading
from unspoken.store.horizon import between, horizon, stream
from unspoken.store.mending import mended
from unspoken.store.reading import STORED, event_blocks, message_blocks, of_messages
from unspoken.store.rows import microseconds
from unspoken.store.sealed import File, Manifest, clear, locked, manifest, publish, speaks_of, synced
from unspoken.store.tables import Message

FILE_ROWS = 262_144  # events in one file at most: some 100 MB as a frame, 0.6 GB while they are read and written
GROUP_ROWS = 65_536  # rows whose conversations share one statistic
NAMES = 500  # ids in one IN (…)
COLUMNS = [f"{name} {kind}" for schema in (STORED, MESSAGES) for name, kind in schema.items()]
WAITING = "waiting for another job to have read the events"
Say = Callable[[str], None]
Make = Callable[[pl.DataFrame, pl.DataFrame], Mapping[str, pl.DataFrame]]
Result = TypeVar("Result")


@dataclass
class Segments:
    """A project's settled events and messages, up to `horizon`. Files are sorted by conversation, time and id."""

    folder: Path
    manifest: Manifest

    @property
    def horizon(self) -> dict[str, int]:
        """What was settled; see store/horizon.py."""
        return dict(self.manifest.horizon or {})

    def events(self) -> pl.LazyFrame:
        """frames.EVENTS."""
        return self._scan(self.manifest.events, STORED).select(list(EVENTS))

    def messages(self) -> pl.LazyFrame:
        """frames.MESSAGES."""
        return self._scan(self.manifest.messages, MESSAGES)

    def made(self, made_by: str, rows: int, make: Make, say: Say = lambda note: None) -> dict[str, pl.LazyFrame]:
        """Tables made of every conversation alone, by conversation: what is on file, renewed where it has to be.

        `make` has messages and events (frames.EVENTS, and `consent`) of some conversations, about `rows` events at a
        time, and gives their tables, sorted so. What was made by another program than `made_by` is made anew.
        """

        def of(some: ranges.Some) -> Mapping[str, pl.DataFrame]:
            messages = self._scan(sealed.near(self.manifest.messages, some.first, some.last), MESSAGES)
            events = self._scan(sealed.near(self.manifest.events, some.first, some.last), STORED)
            wanted = messages.select(list(MESSAGES)), events.select(*EVENTS, "consent")
            return make(*pl.collect_all([each.filter(some.holds) for each in wanted], engine="streaming"))

        def told(number: int, of: int) -> None:
            say(f"reading conversations: part {number:,} of {of:,}")

        before = self.manifest
        self.manifest = ranges.brought_up(self.folder, before, made_by, self.cuts(rows), of, told)
        if self.manifest != before:
            publish(self.folder, self.manifest)
        parts = [each.files for each in self.manifest.ranges]
        return {name: pl.scan_parquet([self.folder / part[name] for part in parts]) for name in parts[0]}

    def cuts(self, rows: int) -> list[str]:
        """Conversations that part the events, by `cut <= conversation`, into ranges of about so many rows each.

        No conversation is parted, however many rows it has; ranges are no smaller than a group of rows.
        """
        starts = sorted(start for file in self.manifest.events for start in file.starts)
        step = max(1, rows // GROUP_ROWS)
        return sorted(set(starts[step::step]))

    def _scan(self, files: Sequence[File], schema: Schema) -> pl.LazyFrame:
        if not files:
            return empty(schema).lazy()
        return pl.scan_parquet([self.folder / file.name for file in files])


@contextmanager
def current(engine: Engine, project_id: str, home: Path, say: Say = lambda note: None) -> Iterator[Segments]:
    """The project's segments with everything that is settled now. Collect in the block: afterwards files may go.

    One process at a time has them; `say` is told what is done, also while waiting for another, and may raise.
    Unavailable while a user of the project is being erased.
    """
    with locked(home, project_id, lambda: say(WAITING)) as folder:
        yield Segments(folder, _synced(engine, project_id, folder, say))


def used(
    engine: Engine, project_id: str, home: Path, use: Callable[[Segments], Result], say: Say = lambda note: None
) -> Result:
    """What `use` takes from the current segments, which are made anew first where they prove to be damaged.

    Unavailable also when the disk is full; UnspokenError when they cannot be made anew.
    """
    with locked(home, project_id, lambda: say(WAITING)) as folder:
        return mended(folder, lambda: use(Segments(folder, _synced(engine, project_id, folder, say))), say)


def expire(home: Path, project_id: str, before: datetime, patience_s: float) -> None:
    """Take out the events that arrived earlier, and the messages they brought, as store/retention.py does.

    Those that cannot be read are removed. Unavailable when somebody else has them for longer than `patience_s`, or when
    the disk is full.
    """
    if not sealed.folder(home, project_id).is_dir():
        return
    first = microseconds(before)
    with locked(home, project_id, lambda: None, patience_s) as folder:
        mended(folder, lambda: _expire(folder, first), lambda note: None)


def _expire(folder: Path, first: int) -> None:
    kept = manifest(folder)
    if kept is None or kept.columns != COLUMNS or kept.oldest >= first:
        return
    writer = _Writer(folder, replace(kept, ends=[], oldest=sealed.NEVER, events=[], messages=[]))
    stay, go = [empty(STORED)["conversation"]], [empty(STORED).select("conversation", "message", "kind")]
    for file in kept.events:
        rows = pl.read_parquet(folder / file.name)
        stays = pl.col("received_at") >= first
        stay.append(rows.filter(stays)["conversation"].unique())
        go.append(rows.filter(~stays).select("conversation", "message", "kind"))
        writer.add_events(rows.filter(stays))
    gone = pl.concat(go)
    messages = gone.filter(pl.col("kind") == "message").select("message")
    for file in kept.messages:
        rows = pl.read_parquet(folder / file.name)
        writer.add_messages(rows.join(messages, on="message", how="anti"))
    talks, left = gone["conversation"].unique(), pl.concat(stay).unique()
    left = left.filter(left.is_in(talks.implode()))
    publish(folder, ranges.taken_out(folder, writer.after, talks, left))


def _synced(engine: Engine, project_id: str, folder: Path, say: Say) -> Manifest:
    """The manifest, after what has come since the last one was added."""
    with reading(engine) as session:
        marked = erasure.mark(session, project_id)
        until = horizon(session)
        before = manifest(folder)
        if before is None or not _reaches(session, before, until):
            clear(folder)
            before = Manifest(COLUMNS)
        writer = _Writer(folder, before)
        told, talks = [pl.Series("message", dtype=pl.String)], [pl.Series("conversation", dtype=pl.String)]
        news = stream(project_id) & and_(*between(before.horizon, until))
        for batch in _batches(event_blocks(session, news), STORED, lambda rows: say(f"reading events: {rows:,}")):
            told.append(batch.filter(pl.col("kind") == "message")["message"])
            talks.append(batch["conversation"].unique())
            writer.add_events(batch)
        frames = _told(session, project_id, pl.concat(told).unique(), Segments(folder, before))
        for batch in _batches(frames, MESSAGES, lambda rows: say(f"reading messages: {rows:,}")):
            writer.add_messages(batch)
    after = replace(ranges.out_of_date(folder, writer.after, pl.concat(talks)), horizon=until)
    if after != before:
        # An erasure that is asked for from here on waits for the lock, and then removes what is published now.
        with reading(engine) as session:
            erasure.unchanged(session, project_id, marked)
        publish(folder, after)
    return after


def _reaches(session: Session, kept: Manifest, until: dict[str, int]) -> bool:
    """Whether what is kept can be added to: of this program's columns and of this database, before that horizon."""
    if kept.columns != COLUMNS or kept.horizon is None or kept.horizon.keys() != until.keys():
        return False
    return all(kept.horizon[unit] <= end for unit, end in until.items()) and speaks_of(session, kept)


def _batches(blocks: Iterable[pl.DataFrame], schema: Schema, say: Callable[[int], None]) -> Iterator[pl.DataFrame]:
    """The blocks put together, FILE_ROWS at most in each; `say` is told how many rows have come."""
    waiting, rows = [empty(schema)], 0
    for block in blocks:
        if sum(each.height for each in waiting) + block.height > FILE_ROWS:
            yield pl.concat(waiting)
            waiting = [empty(schema)]
        waiting.append(block)
        rows += block.height
        say(rows)
    yield pl.concat(waiting)


def _told(session: Session, project_id: str, ids: pl.Series, before: Segments) -> Iterator[pl.DataFrame]:
    """Those messages that are not there yet, of these which new events carry."""
    if before.manifest.horizon is None:
        for frame in message_blocks(session, of_messages(project_id)):
            yield frame.join(ids.to_frame(), on="message", how="semi")
        return
    known = before.messages().select("message").collect()
    for some in ids.to_frame().join(known, on="message", how="anti").iter_slices(NAMES):
        named = Message.id.in_(some["message"].to_list())
        yield from message_blocks(session, (Message.project_id == project_id) & named)


class _Writer:
    """Adds files to a manifest, `after`; nothing counts before it is published."""

    def __init__(self, folder: Path, before: Manifest) -> None:
        self._folder = folder
        self.after = before

    def add_events(self, frame: pl.DataFrame) -> None:
        """A block of STORED."""
        if frame.is_empty():
            return
        files = self._added(self.after.events, "events", frame, "event")
        by_number = frame.select("seq", "event").sort("seq")
        ends = sorted([*self.after.ends, by_number.row(0), by_number.row(-1)])
        oldest = min(self.after.oldest, cast(int, frame["received_at"].min()))
        self.after = replace(self.after, ends=[ends[0], ends[-1]], oldest=oldest, events=files)

    def add_messages(self, frame: pl.DataFrame) -> None:
        """A block of frames.MESSAGES."""
        if not frame.is_empty():
            files = self._added(self.after.messages, "messages", frame, "message")
            self.after = replace(self.after, messages=files)

    def _added(self, files: Sequence[File], kind: str, frame: pl.DataFrame, key: str) -> list[File]:
        merged = to_merge([file.rows for file in files], frame.height)
        stay, go = files[: len(files) - merged], files[len(files) - merged :]
        whole = pl.concat([*(pl.read_parquet(self._folder / file.name) for file in go), frame])
        whole = whole.sort("conversation", "at", key)
        name = f"{kind}-{self.after.made}.parquet"
        whole.write_parquet(self._folder / name, compression="zstd", statistics=True, row_group_size=GROUP_ROWS)
        synced(self._folder / name)
        self.after = replace(self.after, made=self.after.made + 1)
        talks = whole["conversation"]
        return [*stay, File(name, whole.height, talks.gather_every(GROUP_ROWS).to_list(), talks[-1])]


def to_merge(files: Sequence[int], new: int) -> int:
    """How many of the last files, by their rows, become one with `new` rows: each that is less than twice the rest."""
    count = 0
    for rows in reversed(files):
        if rows >= 2 * new or rows + new > FILE_ROWS:
            break
        new += rows
        count += 1
    return count
