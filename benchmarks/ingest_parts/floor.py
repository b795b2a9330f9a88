"""The floor: as little as can keep the promise. One process, raw ASGI, msgspec, the bare driver, nothing else.

    python -m benchmarks.ingest_parts.floor --database FILE|postgresql://… --port 8000

It decodes each event into one loose struct (no bounds, no names of wrong fields), hashes the user, stores the same
columns as the platform (events, and the texts of messages beside them) under a unique id, commits what came meanwhile
as one group and then answers. It has no keys, no limits, no projects, no redaction, no metrics, no conflicts.
"""

import asyncio
import hmac
import sqlite3
import threading
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec
import uvicorn

SECRET = bytes(range(32))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = (
    "id", "project", "kind", "at", "sent_at", "received_at", "occurred_at", "conversation", "user", "message", "page",
    "n", "session", "device", "arm", "consent", "fields",
)  # fmt: skip
TYPES = (
    "uuid", "int", "text", "bigint", "bigint", "bigint", "bigint", "text", "text", "text", "text", "bigint", "text",
    "text", "jsonb", "text", "jsonb",
)  # fmt: skip
TOLD = ("id", "conversation", "parent", "role", "user", "text", "model", "finish", "occurred_at")
OWN = (
    "value",
    "role",
    "parent",
    "model",
    "finish",
    "seen_chars",
    "total_chars",
    "visible_ms",
    "active_ms",
    "chars",
    "part",
)
MOST = 10_000  # events of one group

Row = tuple[Any, ...]


class Event(msgspec.Struct, gc=False):
    """Whatever the stream holds."""

    id: str
    kind: str
    at: datetime
    conversation: str
    user: str | None = None
    message: str | None = None
    page: str | None = None
    n: int | None = None
    session: str | None = None
    device: str | None = None
    arm: dict[str, Any] | None = None
    consent: str | None = None
    text: str | None = None
    value: int | None = None
    role: str | None = None
    parent: str | None = None
    model: str | None = None
    finish: str | None = None
    seen_chars: int | None = None
    total_chars: int | None = None
    visible_ms: int | None = None
    active_ms: int | None = None
    chars: int | None = None
    part: str | None = None


_one = msgspec.json.Decoder(Event).decode
_many = msgspec.json.Decoder(list[Event]).decode
_json = msgspec.json.encode


@lru_cache(50_000)
def _hashed(user: str) -> str:
    return hmac.digest(SECRET, user.encode(), "sha256").hex()


def rows(events: Sequence[Event]) -> tuple[list[Row], list[Row]]:
    """Rows of events and of messages."""
    received = time.time_ns() // 1000
    stored: list[Row] = []
    told: list[Row] = []
    for event in events:
        user = None if event.user is None else _hashed(event.user)
        since = event.at - EPOCH
        at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        fields = {name: value for name in OWN if (value := getattr(event, name)) is not None}
        arm = None if event.arm is None else _json(event.arm).decode()
        stored.append((
            event.id, 1, event.kind, at, None, received, at, event.conversation, user, event.message, event.page,
            event.n, event.session, event.device, arm, event.consent, _json(fields).decode(),
        ))  # fmt: skip
        if event.text is not None:
            told.append((
                event.message, event.conversation, event.parent, event.role, user, event.text, event.model,
                event.finish, at,
            ))  # fmt: skip
    return stored, told


Waiting = tuple[Sequence[Event], "asyncio.Future[None]"]


class Sqlite:
    """One thread writes what came while it wrote the last group."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.waiting: list[Waiting] = []
        self.some = threading.Event()

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, daemon=True).start()

    def put(self, events: Sequence[Event]) -> "asyncio.Future[None]":
        done = self.loop.create_future()
        self.waiting.append((events, done))
        self.some.set()
        return done

    def _write(self) -> None:
        base = sqlite3.connect(self.path, isolation_level=None)
        base.executescript(f"""
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, {", ".join(f'"{each}"' for each in COLUMNS)});
            CREATE UNIQUE INDEX IF NOT EXISTS by_id ON events (project, id);
            CREATE TABLE IF NOT EXISTS messages ({", ".join(f'"{each}"' for each in TOLD)}, PRIMARY KEY (id));
        """)
        events = _insert("events", COLUMNS, ", ".join("?" * len(COLUMNS)))
        messages = _insert("messages", TOLD, ", ".join("?" * len(TOLD)))
        while True:
            self.some.wait()
            self.some.clear()
            group, self.waiting = self.waiting, []
            stored, told = rows([event for some, _ in group for event in some])
            base.execute("BEGIN IMMEDIATE")
            base.executemany(events, stored)
            if told:
                base.executemany(messages, told)
            base.execute("COMMIT")
            self.loop.call_soon_threadsafe(_answer, group)


class Postgres:
    """One task writes what came while it wrote the last group: one statement, an array for each column."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.waiting: list[Waiting] = []

    async def start(self) -> None:
        asyncpg: Any = import_module("asyncpg")  # of benchmarks/ingest.txt: not there where types are checked
        self.base = await asyncpg.connect(self.url)
        columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(COLUMNS, TYPES, strict=True))
        told = ", ".join(f'"{name}" {"bigint" if name == "occurred_at" else "text"}' for name in TOLD)
        await self.base.execute(f"""
            CREATE TABLE IF NOT EXISTS floor_events (seq bigserial PRIMARY KEY, {columns}, UNIQUE (project, id));
            CREATE TABLE IF NOT EXISTS floor_messages ({told}, PRIMARY KEY (id));
        """)
        self.some = asyncio.Event()
        self.task = asyncio.create_task(self._write())

    def put(self, events: Sequence[Event]) -> "asyncio.Future[None]":
        done = asyncio.get_running_loop().create_future()
        self.waiting.append((events, done))
        self.some.set()
        return done

    async def _write(self) -> None:
        # JSON travels as text: that is what it is written as, and asyncpg would ask what to make of jsonb.
        kinds = ["text" if kind == "jsonb" else kind for kind in TYPES]
        given = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(kinds, start=1))
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        cast = ", ".join(f'"{name}"::{kind}' for name, kind in zip(COLUMNS, TYPES, strict=True))
        insert = await self.base.prepare(
            f"INSERT INTO floor_events ({names}) SELECT {cast} FROM unnest({given}) AS given({names})"
            " ON CONFLICT DO NOTHING"
        )
        arrays = ", ".join(
            f"${place}::{'bigint' if name == 'occurred_at' else 'text'}[]" for place, name in enumerate(TOLD, 1)
        )
        tell = await self.base.prepare(
            f"INSERT INTO floor_messages SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
        )
        while True:
            await self.some.wait()
            self.some.clear()
            group, self.waiting = self.waiting, []
            stored, told = rows([event for some, _ in group for event in some])
            if told:
                async with self.base.transaction():
                    await insert.fetch(*zip(*stored, strict=True))
                    await tell.fetch(*zip(*told, strict=True))
            else:
                await insert.fetch(*zip(*stored, strict=True))
            _answer(group)


def _insert(table: str, columns: Sequence[str], marks: str) -> str:
    names = ", ".join(f'"{each}"' for each in columns)
    return f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"


def _answer(group: list[Waiting]) -> None:
    for _, done in group:
        if not done.done():
            done.set_result(None)


class App:
    """The whole server."""

    def __init__(self, database: str) -> None:
        self.store = Postgres(database) if database.startswith("postgresql") else Sqlite(database)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Stores, then answers."""
        if scope["type"] == "lifespan":
            await receive()
            await self.store.start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        if body:
            await self.store.put(_many(body) if body[:1] == b"[" else (_one(body),))
        answer = b'{"stored":1}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def main() -> None:
    """Serve until ended."""
    parser = ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(
        App(options.database), port=options.port, loop="uvloop", http="httptools", log_level="warning", access_log=False
    )


if __name__ == "__main__":
    main()
