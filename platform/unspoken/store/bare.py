"""The statements of the hot path, spoken to the driver itself: through SQLAlchemy a row costs six times as much.

Both classes mean the same. A connection is one that SQLAlchemy made; whoever owns it begins and commits.

SQLite takes up to 32 rows in one statement: each statement gives the interpreter's lock away, and waits for it when it
is done.
PostgreSQL takes one statement with an array for each column, which is written here as text: psycopg adapts arrays in
Python, at five times the cost, and COPY knows no ON CONFLICT (by way of a second table it is slower below some
thousand rows).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection

from unspoken.store.rows import EVENT, MESSAGE, Key, Row, microseconds
from unspoken.store.trip import Statement, trip

WRITERS = 0x756E73706F6B656F  # the advisory lock that every transaction that stores events shares; see exclude()
ROWS = (32, 8, 2, 1)  # in one statement on SQLite

_json = msgspec.json.Encoder().encode


class Opening(NamedTuple):
    """What a transaction begins with."""

    mark: int  # where its events begin: each of its numbers from here on is greater
    erasure: int  # the number of the newest erasure; 0 when there is none
    keys: Collection[str]  # those asked for that are neither revoked nor run out
    transaction: int = 0  # PostgreSQL's number of it


class Bare(Protocol):
    """What the hot path asks of a database, inside a transaction that its owner ends."""

    def opening(self, keys: Sequence[str], at: datetime) -> Opening:
        """What the transaction begins with; from here on nobody adds an erasure before it ends."""
        ...

    def at_once(
        self, keys: Sequence[str], at: datetime, erasure: int, events: Sequence[Row], messages: Sequence[Row]
    ) -> tuple[Opening, int, int]:
        """`opening`, `insert_events` and `insert_messages`, in one trip to the database.

        `erasure` is the newest that the caller knows of. Without messages the trip may commit as well; then no event
        was written unless that is still the newest, and every key is in force.
        """
        ...

    def used(self, keys: Sequence[str], at: datetime) -> None:
        """Write when the keys were last used; a key that somebody else is changing is left out."""
        ...

    def erasures(self) -> list[tuple[int, str, int]]:
        """Project, user, and when it was asked for, in microseconds: of each erasure."""
        ...

    def insert_events(self, rows: Sequence[Row]) -> int:
        """How many were not there before; the others are left alone."""
        ...

    def insert_messages(self, rows: Sequence[Row]) -> int:
        """The same for messages."""
        ...

    def known(self, project: int, ids: Collection[str], opening: Opening) -> set[Key]:
        """Those of the events that were there before the transaction of that opening."""
        ...

    def messages(self, project: int, ids: Collection[str]) -> list[Row]:
        """The messages of these ids."""
        ...

    def forget(self, project: int, ids: Collection[str]) -> None:
        """Remove events that this very transaction wrote."""
        ...


class Sqlite:
    """On a sqlite3 connection; the transaction was begun with BEGIN IMMEDIATE."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def opening(self, keys: Sequence[str], at: datetime) -> Opening:
        mark, erasure, alive = self._connection.execute(_SQLITE_OPENING, (_listed(keys), _stamp(at))).fetchone()
        return Opening(mark, erasure, msgspec.json.decode(alive))

    def at_once(
        self, keys: Sequence[str], at: datetime, erasure: int, events: Sequence[Row], messages: Sequence[Row]
    ) -> tuple[Opening, int, int]:
        return self.opening(keys, at), self.insert_events(events), self.insert_messages(messages)

    def used(self, keys: Sequence[str], at: datetime) -> None:
        self._connection.execute(
            "UPDATE keys SET last_used_at = ? WHERE id IN (SELECT value FROM json_each(?))", (_stamp(at), _listed(keys))
        )

    def erasures(self) -> list[tuple[int, str, int]]:
        found = self._connection.execute(_ERASURES).fetchall()
        return [(project, user, microseconds(_unstamped(before))) for project, user, before in found]

    def insert_events(self, rows: Sequence[Row]) -> int:
        return self._insert(_EVENTS, rows)

    def insert_messages(self, rows: Sequence[Row]) -> int:
        return self._insert(_MESSAGES, rows)

    def known(self, project: int, ids: Collection[str], opening: Opening) -> set[Key]:
        found = self._connection.execute(
            "SELECT id FROM events WHERE project = ? AND id IN (SELECT value FROM json_each(?)) AND seq <= ?",
            (project, _listed(ids), opening.mark),
        )
        return {(project, event) for (event,) in found}

    def messages(self, project: int, ids: Collection[str]) -> list[Row]:
        statement = f"{_SELECT_MESSAGES} WHERE project = ? AND id IN (SELECT value FROM json_each(?))"
        return self._connection.execute(statement, (project, _listed(ids))).fetchall()  # type: ignore[no-any-return]

    def forget(self, project: int, ids: Collection[str]) -> None:
        self._connection.execute(
            "DELETE FROM events WHERE project = ? AND id IN (SELECT value FROM json_each(?))", (project, _listed(ids))
        )

    def _insert(self, statements: Mapping[int, str], rows: Sequence[Row]) -> int:
        before: int = self._connection.total_changes
        start = 0
        for size, statement in statements.items():
            while len(rows) - start >= size:
                self._connection.execute(statement, tuple(chain.from_iterable(rows[start : start + size])))
                start += size
        return int(self._connection.total_changes - before)


class Postgres:
    """On a psycopg connection. Rows come in the order of their keys, so that two who write wait in one direction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def opening(self, keys: Sequence[str], at: datetime) -> Opening:
        # The lock in a statement of its own: what follows then sees what whoever held it has committed.
        return _opening(*trip(self._connection, [(_LOCK, ()), (_OPENING, (_texts(keys), at.isoformat()))]))

    def at_once(
        self, keys: Sequence[str], at: datetime, erasure: int, events: Sequence[Row], messages: Sequence[Row]
    ) -> tuple[Opening, int, int]:
        if not events:
            return self.opening(keys, at), 0, 0
        [(_, columns)] = _insert(_INSERT_EVENTS, _EVENT_TYPES, events)
        new = (_OPENING_AND_EVENTS, [*columns, str(erasure), _texts(keys), at.isoformat()])
        told = _insert(_INSERT_MESSAGES, _MESSAGE_TYPES, messages)
        locked, opened, *written = trip(self._connection, [(_LOCK, ()), new, *told], commit=not told)
        return _opening(locked, opened), int(opened.get_value(0, 2)), _count(written)

    def used(self, keys: Sequence[str], at: datetime) -> None:
        self._connection.execute(
            "UPDATE keys SET last_used_at = %s WHERE id IN "
            "(SELECT id FROM keys WHERE id = ANY(%s::varchar[]) FOR NO KEY UPDATE SKIP LOCKED)",
            (at, _texts(keys)),
        )

    def erasures(self) -> list[tuple[int, str, int]]:
        found = self._connection.execute(_ERASURES).fetchall()
        return [(project, user, microseconds(before)) for project, user, before in found]

    def insert_events(self, rows: Sequence[Row]) -> int:
        return _count(trip(self._connection, _insert(_INSERT_EVENTS, _EVENT_TYPES, rows)))

    def insert_messages(self, rows: Sequence[Row]) -> int:
        return _count(trip(self._connection, _insert(_INSERT_MESSAGES, _MESSAGE_TYPES, rows)))

    def known(self, project: int, ids: Collection[str], opening: Opening) -> set[Key]:
        found = self._connection.execute(
            "SELECT id::text FROM events WHERE project = %s AND id = ANY(%s::uuid[]) AND NOT "
            "(seq > %s AND transaction = %s)",
            (project, _texts(ids), opening.mark, opening.transaction),
        )
        return {(project, event) for (event,) in found}

    def messages(self, project: int, ids: Collection[str]) -> list[Row]:
        statement = f"{_SELECT_MESSAGES} WHERE project = %s AND id = ANY(%s::varchar[])"
        return self._connection.execute(statement, (project, _texts(ids))).fetchall()  # type: ignore[no-any-return]

    def forget(self, project: int, ids: Collection[str]) -> None:
        self._connection.execute(
            "DELETE FROM events WHERE project = %s AND id = ANY(%s::uuid[])", (project, _texts(ids))
        )


def bare(connection: Connection) -> Bare:
    """The hot path's statements in the transaction of a SQLAlchemy connection."""
    return of_driver(connection.dialect.name, connection.connection.driver_connection)


def of_driver(dialect: str, connection: Any) -> Bare:
    """The same on a driver's own connection; `dialect` is sqlite or postgresql."""
    return Postgres(connection) if dialect == "postgresql" else Sqlite(connection)


def _texts(values: Collection[str | None]) -> str:
    """A PostgreSQL array literal. NUL cannot stand in a text, so it stands for the quotation marks meanwhile."""
    joined = "\0,\0".join(["\0" if value is None else value for value in values])
    if not joined:
        return "{}" if not values else '{""}'
    if "\\" in joined:
        joined = joined.replace("\\", "\\\\")
    if '"' in joined:
        joined = joined.replace('"', '\\"')
    return "{" + f"\0{joined}\0".replace("\0\0\0", "NULL").replace("\0", '"') + "}"


def _plain(values: Collection[object]) -> str:
    """An array literal of numbers and what else needs no quotation marks."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _opening(locked: Any, opened: Any) -> Opening:
    alive = msgspec.json.decode(opened.get_value(0, 1))
    return Opening(int(locked.get_value(0, 0)), int(opened.get_value(0, 0)), alive, int(locked.get_value(0, 1)))


def _insert(statement: Statement, types: Sequence[str], rows: Sequence[Row]) -> list[tuple[Statement, list[str]]]:
    """The statement with its arrays; nothing when there is nothing to write."""
    if not rows:
        return []
    columns = zip(types, zip(*rows, strict=True), strict=True)
    return [(statement, [(_texts if kind in _QUOTED else _plain)(column) for kind, column in columns])]


def _count(results: Iterable[Any]) -> int:
    """How many rows were written."""
    return sum(each.command_tuples for each in results)


def _listed(values: Collection[str]) -> str:
    return _json(list(values)).decode()


def _stamp(at: datetime) -> str:
    """A time as SQLAlchemy's DateTime stores it on SQLite."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _unstamped(stored: str) -> datetime:
    return datetime.fromisoformat(stored).replace(tzinfo=UTC)


def _columns(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _values(table: str, names: Sequence[str], rows: int, rest: tuple[str, str] = ("", "")) -> str:
    column, value = rest
    row = f"({', '.join('?' * len(names))}{value})"
    return f"INSERT INTO {table} ({_columns(names)}{column}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


def _arrays(
    table: str, names: Sequence[str], types: Sequence[str], rest: tuple[str, str] = ("", ""), where: str = ""
) -> str:
    column, value = rest
    unnested = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(types, 1))
    into = f"INSERT INTO {table} ({_columns(names)}{column})"
    return f"{into} SELECT *{value} FROM unnest({unnested}){where} ON CONFLICT DO NOTHING"


def _asked(keys: int, at: int) -> str:
    """What a transaction begins with, in terms of the places of the keys and of the time."""
    return (
        "SELECT (SELECT coalesce(max(seq), 0) FROM erasures) AS erasure, "
        f"(SELECT coalesce(json_agg(id), '[]') FROM keys WHERE id = ANY(${keys}::varchar[]) "
        f"AND {_IN_FORCE.format(at=f'${at}::timestamptz')}) AS alive"
    )


_IN_FORCE = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > {at})"
_NO_TRANSACTION = (', "transaction"', ", 0")
_TRANSACTION = (', "transaction"', ", (SELECT pg_current_xact_id()::text::bigint)")
_EVENTS = {rows: _values("events", EVENT, rows, _NO_TRANSACTION) for rows in ROWS}
_MESSAGES = {rows: _values("messages", MESSAGE, rows) for rows in ROWS}
_TYPES = {
    "project": "int", "at": "bigint", "sent_at": "bigint", "received_at": "bigint", "occurred_at": "bigint",
    "n": "bigint", "arm": "jsonb", "fields": "jsonb",
}  # fmt: skip
_QUOTED = ("varchar", "jsonb", "uuid")
_EVENT_TYPES = ["uuid" if name == "id" else _TYPES.get(name, "varchar") for name in EVENT]
_MESSAGE_TYPES = [_TYPES.get(name, "varchar") for name in MESSAGE]
_INSERT_EVENTS = Statement("unspoken_events", _arrays("events", EVENT, _EVENT_TYPES, _TRANSACTION))
_INSERT_MESSAGES = Statement("unspoken_messages", _arrays("messages", MESSAGE, _MESSAGE_TYPES))
_SELECT_MESSAGES = f"SELECT {_columns(MESSAGE)} FROM messages"
_ERASURES = 'SELECT p.number, e."user", e.before FROM erasures e JOIN projects p ON p.id = e.project_id'
_LOCK = Statement(
    "unspoken_lock",
    f"SELECT last_value, pg_current_xact_id() FROM events_seq_seq, pg_advisory_xact_lock_shared({WRITERS})",
)
_OPENING = Statement("unspoken_opening", _asked(1, 2))
# What was guessed follows the columns: the newest erasure, the keys. Asked and written in one statement, because each
# statement sees what was committed before itself: between two of them a key may end.
_GUESS = len(EVENT) + 1
_AS_GUESSED = (
    f" WHERE (SELECT erasure = ${_GUESS}::bigint AND json_array_length(alive) = cardinality(${_GUESS + 1}::varchar[])"
    " FROM opening)"
)
_OPENING_AND_EVENTS = Statement(
    "unspoken_opening_and_events",
    f"WITH opening AS MATERIALIZED ({_asked(_GUESS + 1, _GUESS + 2)}), "
    f"new AS ({_arrays('events', EVENT, _EVENT_TYPES, _TRANSACTION, _AS_GUESSED)} RETURNING 1) "
    "SELECT erasure, alive, (SELECT count(*) FROM new) FROM opening",
)
_SQLITE_OPENING = (
    "SELECT (SELECT coalesce(max(seq), 0) FROM events), (SELECT coalesce(max(seq), 0) FROM erasures), "
    "(SELECT json_group_array(id) FROM keys WHERE id IN (SELECT value FROM json_each(?)) "
    f"AND {_IN_FORCE.format(at='?')})"
)
