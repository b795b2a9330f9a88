"""A server of ours on a real socket, and one that is not well."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvicorn
from sqlalchemy import Engine, select
from tests.server import reserved

from unspoken.api.app import create_app
from unspoken.client import Client
from unspoken.store import keys, projects
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Event


@dataclass
class Server:
    """The API on a port of its own, in a thread; it can be stopped and started there again."""

    engine: Engine
    key: str
    write_key: str
    port: int = 0
    _running: tuple[uvicorn.Server, threading.Thread] | None = None
    _away: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        """Where it is, or was."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; returns when it answers."""
        self._away.close()
        door = socket.create_server(("127.0.0.1", self.port))
        self.port = door.getsockname()[1]
        started = threading.Event()

        class Told(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                started.set()

        server = Told(uvicorn.Config(create_app(self.engine, local=False), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        assert started.wait(120)
        self._running = server, thread

    def stop(self) -> None:
        """Close the port, which stays this server's."""
        if self._running:
            server, thread = self._running
            server.should_exit = True
            thread.join(120)
            self._running = None
            self._away.enter_context(reserved(self.port))

    def stored(self) -> list[str]:
        """The ids of all events; those of one batch in any order."""
        with reading(self.engine) as session:
            return [str(one) for one in session.scalars(select(Event.id).order_by(Event.seq))]


@pytest.fixture
def server(sqlite_engine: Engine) -> Iterator[Server]:
    """Listening, with a project and two keys."""
    with transaction(sqlite_engine) as session:
        project = projects.create(session, "chat")
        secret, write = (keys.create(session, project.id, role)[1] for role in ("secret", "write"))
    server = Server(sqlite_engine, secret, write)
    server.start()
    yield server
    server.stop()
    server._away.close()


Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Faulty:
    """Somebody else's server: answers from a script, then as ours does when all is well. Keeps what it took."""

    url: str = ""
    script: list[Reply | Callable[[list[dict[str, Any]]], Reply]] = field(default_factory=list)
    asked: list[list[dict[str, Any]]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    @staticmethod
    def problem(status: int, slug: str, detail: str, **more: Any) -> Reply:
        """What a server of ours answers."""
        body = {"type": f"urn:unspoken:problem:{slug}", "status": status, "detail": detail, **more}
        return status, {"Content-Type": "application/problem+json"}, json.dumps(body).encode()

    def answer(self, events: list[dict[str, Any]]) -> Reply:
        """The next of the script; the events count as taken after its end."""
        self.asked.append(events)
        if self.script:
            said = self.script.pop(0)
            return said(events) if callable(said) else said
        self.taken += [event["id"] for event in events]
        return 200, {}, json.dumps({"stored": len(events), "repeated": 0}).encode()


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    """Listening."""
    faulty = Faulty()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, content = faulty.answer(body["events"])
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    faulty.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield faulty
    server.shutdown()
    thread.join()
    server.server_close()


class Connect(Protocol):
    """Makes a client."""

    def __call__(self, url: str, key: str = "k", **options: Any) -> Client:
        """As Client is called; its queue lies in the test's folder."""
        ...


@pytest.fixture
def connect(folder: Path) -> Iterator[Connect]:
    """Clients that end with the test."""
    with ExitStack() as stack:

        def connect(url: str, key: str = "k", **options: Any) -> Client:
            client = Client(url, key, **{"folder": folder, **options})
            stack.callback(client.shutdown, 0)
            return client

        yield connect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a queue may be."""
    return tmp_path / "outbox"
