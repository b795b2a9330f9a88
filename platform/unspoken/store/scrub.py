"""Making what was deleted go from the database's own files, not only from its tables.

SQLite leaves deleted bytes in free pages, and pages as they were in the log beside the file, so the file is rewritten
(VACUUM) and the log emptied. PostgreSQL keeps deleted rows until a VACUUM, and samples of columns, texts included, in
its statistics until an ANALYZE. What lies in its archived log and in backups is out of reach of both.
"""

import sqlite3
import time
from typing import Any

from sqlalchemy import Engine, text

from unspoken.errors import Unavailable
from unspoken.store.fold import DERIVED
from unspoken.store.tables import Event, Label, Message, Pair, Unpaired

TOUCHED = (Message, Event, *DERIVED, Label, Pair, Unpaired)
PATIENCE_S = 30.0


def scrub(engine: Engine) -> None:
    """Rewrites or vacuums; Unavailable, to be tried again, where somebody who reads holds old pages for too long.

    On SQLite others wait while the file is rewritten, on PostgreSQL nobody does.
    """
    if engine.dialect.name == "sqlite":
        _sqlite(engine)
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in TOUCHED:
            connection.execute(text(f"VACUUM (ANALYZE) {table.__tablename__}"))


def settle(engine: Engine) -> None:
    """Waits until every transaction that began before this call is over, so that later readers see what it wrote.

    On SQLite, with one writer at a time, that is so already.
    """
    if engine.dialect.name == "sqlite":
        return
    with engine.begin() as connection:
        mine = int(connection.scalar(text("SELECT pg_current_xact_id()::text")) or 0)
    end = time.monotonic() + PATIENCE_S
    while True:
        with engine.begin() as connection:
            oldest = int(connection.scalar(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")) or 0)
        if oldest > mine:
            return
        if time.monotonic() > end:
            raise Unavailable("A transaction that began before has not ended; the erasure waits for it.")
        time.sleep(0.05)


def _sqlite(engine: Engine) -> None:
    raw = engine.raw_connection()
    try:
        driver: Any = raw.driver_connection
        try:
            driver.execute("VACUUM").close()
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"The database cannot be rewritten now ({error}). It needs as much free space again, and a moment in "
                "which nobody else writes."
            ) from error
        end = time.monotonic() + PATIENCE_S
        while driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > end:
                raise Unavailable("Somebody is still reading the database; its log is emptied when that is over.")
            time.sleep(0.05)
    finally:
        raw.close()
