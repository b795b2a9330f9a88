"""Many rows out of the database as frames, without an object of the ORM for any of them.

SQLite's cursor is read a few thousand rows at a time, which stay in the processor's cache until they are columns: that
halves the time of reading all at once. PostgreSQL sends CSV (COPY), which Polars parses; psycopg's own rows take more
than twice as long. A block holds BLOCK rows or little more, so memory holds a block, however many rows there are.
"""

import io
from collections.abc import Iterator
from typing import Any

import polars as pl
from sqlalchemy import Select
from sqlalchemy.orm import Session

from unspoken.frames import Schema
from unspoken.store.dialects import on_postgresql

BLOCK = 65_536  # rows
FETCH = 2_000
BLOCK_BYTES = 16_000_000  # of CSV


def blocks(session: Session, statement: Select[*tuple[Any, ...]], columns: Schema) -> Iterator[pl.DataFrame]:
    """What the statement selects, in blocks; `columns` names its columns in order and says what each holds.

    Types are pl.String or pl.Int64. JSON comes as text and a time as microseconds since 1970. A text that is empty may
    come as null.
    """
    return (_copied if on_postgresql(session) else _fetched)(session, statement, columns)


def _fetched(session: Session, statement: Select[*tuple[Any, ...]], columns: Schema) -> Iterator[pl.DataFrame]:
    cursor: Any = session.connection().execute(statement).cursor  # the driver's own
    waiting: list[pl.DataFrame] = []
    while rows := cursor.fetchmany(FETCH):
        values = zip(columns.items(), zip(*rows, strict=True), strict=True)
        waiting.append(pl.DataFrame([pl.Series(name, column, kind) for (name, kind), column in values]))
        if len(waiting) * FETCH >= BLOCK:
            yield pl.concat(waiting, rechunk=True)
            waiting = []
    if waiting:
        yield pl.concat(waiting, rechunk=True)


def _copied(session: Session, statement: Select[*tuple[Any, ...]], columns: Schema) -> Iterator[pl.DataFrame]:
    connection = session.connection()
    asked = statement.compile(connection.engine, compile_kwargs={"render_postcompile": True})
    driver: Any = connection.connection.driver_connection
    waiting, size = io.BytesIO(), 0
    with driver.cursor() as cursor, cursor.copy(f"COPY ({asked}) TO STDOUT (FORMAT csv)", asked.params) as lines:
        for line in lines:
            size += waiting.write(line)
            if size >= BLOCK_BYTES:  # whole lines: the server sends each row by itself
                yield _parsed(waiting, columns)
                waiting, size = io.BytesIO(), 0
    if size:
        yield _parsed(waiting, columns)


def _parsed(lines: io.BytesIO, columns: Schema) -> pl.DataFrame:
    return pl.read_csv(lines.getvalue(), has_header=False, schema=dict(columns))
