"""The queue on disk: one SQLite file in a folder that several processes may share."""

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from unspoken.errors import Unavailable

KEPT_REFUSED = 1_000  # the newest
PAGE_BYTES = 4096
LOG_PAGES = 4_000  # where the sender does not get round to `sync`, an event waits for it once in so many pages
BUSY_S = 5.0  # how long one process waits for another's transaction, which takes about a millisecond

# AUTOINCREMENT: a number is never given twice, so "everything up to 812 is gone" keeps its meaning.
_TABLES = """
CREATE TABLE IF NOT EXISTS waiting (seq INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS refused (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, status INTEGER NOT NULL, detail TEXT NOT NULL,
    event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS target (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), name TEXT NOT NULL);
"""

RefusedRow = tuple[float, int, str, bytes]  # when, in seconds since 1970; the server's status and sentence; the event


@dataclass(frozen=True)
class Refused:
    """An event that the server refused for good: its own fields, when, and the server's sentence."""

    event: dict[str, Any]
    at: datetime
    status: int
    detail: str

    @classmethod
    def of(cls, row: RefusedRow) -> Self:
        """From its row on disk."""
        at, status, detail, event = row
        return cls(json.loads(event), datetime.fromtimestamp(at, UTC), status, detail)

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.event.get("id"))


class Outbox:
    """Events in the order taken. Any thread may call any method; each is one short transaction.

    A commit is handed to the operating system, so it outlives the process; it is synced at checkpoints only, so a
    power cut may take the last moments. Raises sqlite3.Error when the file cannot be read or written, or is full.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self._pages = max(limit_bytes // PAGE_BYTES, 16)
        self._connection: sqlite3.Connection | None = None
        self._syncing = threading.Lock()  # taken before the other
        self._lock = threading.RLock()  # a signal handler may take an event while its thread is in here
        self._leading: int | None = None  # descriptor of the lock file while this process is the one that sends
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what people wrote
            with self._lock:
                self._open()
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(
                f"The queue folder {folder} cannot be used: {error}. Name a folder on a local disk that this program "
                "may write to, or, if its file is damaged, move that away."
            ) from error

    def append(self, event: bytes) -> None:
        """Keep one event, JSON."""
        with self._lock:
            self._open().execute("INSERT INTO waiting (event) VALUES (?)", (event,))

    def first(self, most: int, most_bytes: int) -> list[tuple[int, bytes]]:
        """The oldest events with their numbers: at most so many, and so many bytes unless the first alone has more."""
        found: list[tuple[int, bytes]] = []
        size = 0
        with self._lock:
            rows = self._open().execute("SELECT seq, event FROM waiting ORDER BY seq LIMIT ?", (most,))
            for seq, event in rows:
                size += len(event)
                if found and size > most_bytes:
                    break
                found.append((seq, event))
            rows.close()
        return found

    def settle(self, numbers: Iterable[int], refused: Sequence[RefusedRow] = ()) -> None:
        """Forget what was stored or refused; keep the newest of the refused."""
        with self._lock:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                connection.executemany("DELETE FROM waiting WHERE seq = ?", ((number,) for number in numbers))
                connection.executemany("INSERT INTO refused (at, status, detail, event) VALUES (?, ?, ?, ?)", refused)
                if refused:
                    oldest = "(SELECT max(seq) FROM refused) - ?"
                    connection.execute(f"DELETE FROM refused WHERE seq <= {oldest}", (KEPT_REFUSED,))

    def waiting(self, up_to: int | None = None) -> int:
        """How many events are not settled, of all or of those numbered up to `up_to`."""
        with self._lock:
            query = "SELECT count(*) FROM waiting" + ("" if up_to is None else " WHERE seq <= ?")
            return int(self._open().execute(query, () if up_to is None else (up_to,)).fetchone()[0])

    def last(self) -> int:
        """The number of the newest event, 0 when none waits."""
        with self._lock:
            return int(self._open().execute("SELECT coalesce(max(seq), 0) FROM waiting").fetchone()[0])

    def refused(self) -> list[Refused]:
        """The newest KEPT_REFUSED refused events, oldest first."""
        with self._lock:
            rows = self._open().execute("SELECT at, status, detail, event FROM refused ORDER BY seq").fetchall()
        return [Refused.of(row) for row in rows]

    def sync(self) -> None:
        """Write the log back into the file. Elsewhere than in `append`, so that no event waits for the disk."""
        with self._syncing:
            connection = sqlite3.connect(self.folder / "outbox.db", timeout=BUSY_S, isolation_level=None)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                connection.close()

    def aim(self, target: str) -> int:
        """Say where the events go: how many wait that were taken for another target."""
        with self._lock:
            connection = self._open()
            row = connection.execute("SELECT name FROM target").fetchone()
            if row == (target,):
                return 0
            connection.execute("INSERT OR REPLACE INTO target VALUES (1, ?)", (target,))
            return int(connection.execute("SELECT count(*) FROM waiting").fetchone()[0]) if row else 0

    def lead(self) -> bool:
        """Whether this process may send: one at a time does, and the lock of one that died is free at once."""
        if self._leading is not None:
            return True
        descriptor = os.open(self.folder / "sender.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._leading = descriptor
        return True

    def yield_lead(self) -> None:
        """Let another process send."""
        if self._leading is not None:
            descriptor, self._leading = self._leading, None
            os.close(descriptor)

    def before_fork(self) -> None:
        """SQLite's locks do not survive a fork, and what it remembers of them does: so it forgets the file first."""
        self._syncing.acquire()
        self._lock.acquire()
        self._close()

    def after_fork(self, child: bool) -> None:
        """Opens again when it is next used. The parent goes on sending."""
        if child and self._leading is not None:
            os.close(self._leading)  # the lock is the parent's as long as that has its own descriptor
            self._leading = None
        self._lock.release()
        self._syncing.release()

    def close(self) -> None:
        """Let go of the files. Another call opens them again."""
        self.yield_lead()
        with self._lock:
            self._close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self.folder / "outbox.db", timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
                connection.execute(f"PRAGMA max_page_count = {self._pages}")
                connection.executescript(_TABLES)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
