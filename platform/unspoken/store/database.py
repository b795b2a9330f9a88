"""One way to reach a database: an engine for a URL, a transaction on it, and plain sentences when it is not there.

SQLite runs in WAL mode, syncs each commit to the disk unless the settings say otherwise, and takes its write lock when
a transaction begins, so that a second writer waits (up to 30 s) and does not fail halfway. PostgreSQL is reached
through psycopg 3.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from unspoken.errors import BadInput, Unavailable
from unspoken.settings import settings

READING = "unspoken_reading"  # the execution option of transactions that only read
BUSY_TIMEOUT_S = 30
# What databases say that cannot write now, among them a PostgreSQL server that has become a standby.
REFUSALS = (
    "locked", "is full", "readonly", "read-only transaction", "deadlock", "No space", "disk I/O", "not a database",
    "image is malformed",
)  # fmt: skip


def connect(url: str | None = None) -> Engine:
    """An engine that was reached once; the settings' database when `url` is None.

    Raises BadInput for a URL that names no database we know, Unavailable when nothing answers there.
    """
    where = _normalised(url or settings().database)
    sqlite = where.get_backend_name() == "sqlite"
    if sqlite:
        Path(str(where.database)).parent.mkdir(parents=True, exist_ok=True)
    # psycopg prepares nothing by itself: it would end by itself, at a rollback, what store/trip.py has prepared.
    postgresql = {"connect_timeout": 5, "prepare_threshold": None}
    arguments: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S} if sqlite else postgresql
    try:
        engine = create_engine(
            where, pool_size=20, max_overflow=20, pool_timeout=15, pool_pre_ping=not sqlite, connect_args=arguments
        )
    except ModuleNotFoundError as error:
        raise BadInput("PostgreSQL needs the extra `postgres`: pip install 'unspoken[postgres]'.") from error
    event.listen(engine, "handle_error", _explain)
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    with engine.connect():
        return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session that may write; commits when the block ends, rolls back when it raises."""
    with _open(engine) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that sees one moment of the database throughout and keeps no writer waiting."""
    options: dict[str, Any] = {READING: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _open(engine.execution_options(**options)) as session, session.begin():
        yield session


@contextmanager
def _open(engine: Engine) -> Iterator[Session]:
    try:
        with Session(engine, expire_on_commit=False) as session:
            yield session
    except PoolTimeoutError as error:
        raise Unavailable("Every database connection is in use; try again shortly.") from error


def _normalised(url: str) -> URL:
    try:
        where = make_url(url)
        if where.drivername in ("postgres", "postgresql"):
            where = where.set(drivername="postgresql+psycopg")
        backend = where.get_backend_name()
        where.get_dialect()
    except ModuleNotFoundError as error:
        raise BadInput("PostgreSQL needs the extra `postgres`: pip install 'unspoken[postgres]'.") from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise BadInput(
            f"{url.partition('://')[0]!r} starts no database URL; use sqlite:///path/to/file.db or "
            "postgresql://user@host/database (UNSPOKEN_DATABASE_URL)."
        ) from error
    if backend not in ("sqlite", "postgresql"):
        raise BadInput(f"A database on {backend} is not supported; use a sqlite:/// or a postgresql:// URL.")
    if backend == "sqlite" and (where.database or ":memory:") == ":memory:":
        raise BadInput(
            "SQLite needs a file, as in sqlite:///unspoken.db: one in memory is seen by one connection only."
        )
    return where


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late; see _begin_sqlite
    for pragma in ("journal_mode=WAL", f"synchronous={settings().sqlite_synchronous}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot be granted the lock once another has written: it fails at
    # once, whatever the timeout. Taking the lock at the start makes it wait instead.
    reads = connection.get_execution_options().get(READING, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _explain(context: ExceptionContext) -> None:
    """Turns what a driver says about an absent, locked or empty database into Unavailable."""
    if context.is_pre_ping:
        return  # the pool asks whether a connection still lives, and opens another where it does not
    said = context.sqlalchemy_exception
    # Not the other kinds: what they say holds values that were sent, and so any word at all.
    if not (isinstance(said, OperationalError | ProgrammingError | InternalError) or type(said) is DatabaseError):
        return
    gone = context.connection is None or context.is_disconnect
    away = _unavailable(context.original_exception, context.engine, gone)
    if away is not None:
        raise away from context.sqlalchemy_exception


def unavailable(error: BaseException, engine: Engine, connection: Any) -> Unavailable | None:
    """What to tell a client when this stopped the driver's connection; None when the database is not to blame."""
    if isinstance(error, Unavailable):
        return error
    driver = engine.dialect.loaded_dbapi
    if not isinstance(error, driver.Error):
        return None
    said = _unavailable(error, engine, engine.dialect.is_disconnect(error, connection, None))
    if said is None and isinstance(error, driver.OperationalError | driver.InterfaceError):
        where = engine.url.render_as_string()
        said = _away(f"The database {where} could not write: {str(error).strip()}.")
    return said


def _unavailable(error: BaseException, engine: Engine | None, gone: bool) -> Unavailable | None:
    said = str(error).strip()
    if "no such table" in said or "UndefinedTable" in type(error).__name__:
        return Unavailable("The database lacks the tables of this version; run `unspoken migrate`.")
    where = engine.url.render_as_string() if engine else "the database"
    if gone or "unable to open" in said:
        return _away(f"The database {where} cannot be reached ({said}). Is it running, is its URL right?")
    if any(word in said for word in REFUSALS):
        return _away(f"The database {where} cannot be written: {said}.")
    return None


def _away(detail: str) -> Unavailable:
    return Unavailable(detail, public="The database cannot be reached or written now; send the same again shortly.")
