"""The proxy on real sockets: a uvicorn server of ours before a small upstream, and what it wrote."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from openai import OpenAI
from sqlalchemy import Engine, select

from unspoken.api.app import create_app
from unspoken.api.server import config as configured
from unspoken.settings import settings
from unspoken.store.database import reading
from unspoken.store.tables import Event, Message

from .upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A model's server."""
    upstream = Upstream()
    yield upstream
    upstream.stop()


PATH = "/v1/chat/completions"


@dataclass
class Server:
    """A running server of ours."""

    url: str
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        """As on SIGTERM."""
        self.server.should_exit = True
        self.thread.join(120)
        assert not self.thread.is_alive()


@contextmanager
def serving(engine: Engine) -> Iterator[Server]:
    """A server on that database, on a free port."""
    config = configured(create_app(engine, local=False))
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        until(lambda: server.started)
        running = Server(f"http://127.0.0.1:{door.getsockname()[1]}", server, thread)
        yield running
        running.stop()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> Iterator[Callable[[Engine], Any]]:
    """Starts servers that know the upstream."""
    monkeypatch.setenv("UNSPOKEN_UPSTREAM_URL", upstream.url)
    monkeypatch.setenv("UNSPOKEN_UPSTREAM_KEY", "sk-upstream")
    settings.cache_clear()
    yield serving
    settings.cache_clear()


@pytest.fixture
def server(engine: Engine, serve: Callable[[Engine], Any]) -> Iterator[Server]:
    """A server of ours before the upstream."""
    with serve(engine) as server:
        yield server


@pytest.fixture
def key(engine: Engine, server: Server, key_of: Callable[[str], str]) -> str:
    """A secret key of the project.

    On SQLite the server knows it already, and answers chats without a task (api/chat/direct.py); on PostgreSQL its
    first chat is answered by the routes.
    """
    key = key_of("secret")
    if engine.dialect.name == "sqlite":
        asked = httpx.get(f"{server.url}{PATH}/none", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        assert asked.status_code == 404
    return key


@pytest.fixture
def http(server: Server, key: str) -> Iterator[httpx.Client]:
    """A plain client with the key."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=120, trust_env=False) as client:
        yield client


@pytest.fixture
def openai(server: Server, key: str) -> Iterator[OpenAI]:
    """The official client: nothing but the base URL and the key is ours."""
    with OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=120) as client:
        yield client


@dataclass
class Tree:
    """What is stored."""

    engine: Engine

    def messages(self) -> list[Message]:
        """Every message, in the order of their times."""
        with reading(self.engine) as session:
            return list(session.scalars(select(Message).order_by(Message.occurred_at)))

    def message(self, message: str) -> Message:
        """The one of that id."""
        return next(each for each in self.messages() if each.id == message)

    def path(self, message: str | None) -> list[tuple[str, str]]:
        """(role, text) from the root down to a message."""
        known = {each.id: each for each in self.messages()}
        found: list[tuple[str, str]] = []
        while message is not None:
            found.insert(0, (known[message].role, known[message].text))
            message = known[message].parent
        return found

    def events(self, kind: str, count: int = 0) -> list[Event]:
        """Every event of that kind, as soon as there are `count` of them."""

        def stored() -> list[Event]:
            with reading(self.engine) as session:
                return list(session.scalars(select(Event).where(Event.kind == kind).order_by(Event.seq)))

        until(lambda: len(stored()) >= count)
        return stored()


@pytest.fixture
def tree(engine: Engine) -> Tree:
    """What is stored."""
    return Tree(engine)


def noticed(url: str) -> None:
    """Returns when the server there has seen what was closed or sent before: it reads in the order of what comes."""
    for _ in range(2):
        assert httpx.get(f"{url}/healthz", timeout=120, trust_env=False).status_code == 200


def until(done: Callable[[], object]) -> None:
    """Returns once it is so; fails after two minutes."""
    end = time.monotonic() + 120
    while not done():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)
