"""The app on a fresh database, called as a browser elsewhere would; the keys of its project; and a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select
from tests.server import Serve, serving

from unspoken.api.app import create_app
from unspoken.jobs.broker import producer
from unspoken.settings import settings
from unspoken.store import keys
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Base, Event, Project

KeyOf = Callable[[str], str]


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    """Open to this machine, as `unspoken up` is."""
    return create_app(engine, local=True)


@pytest.fixture
def key_of(engine: Engine, project: Project) -> KeyOf:
    """Makes a key of a role for the project `chat`."""

    def key_of(role: str, **more: Any) -> str:
        with transaction(engine) as session:
            return keys.create(session, project.id, role, **more)[1]

    return key_of


@pytest.fixture
def client(app: FastAPI, key_of: KeyOf) -> Iterator[TestClient]:
    """From another machine, with a secret key."""
    headers = {"Authorization": f"Bearer {key_of('secret')}"}
    with TestClient(app, "https://collect.example", headers=headers, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    """From another machine, without a key."""
    with TestClient(app, "https://collect.example", client=("203.0.113.9", 50000)) as client:
        yield client


@pytest.fixture
def here(app: FastAPI) -> Iterator[TestClient]:
    """From this machine, without a key."""
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        yield client


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Celery's filesystem broker in a folder of this test."""
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    producer.cache_clear()
    yield
    settings.cache_clear()
    producer.cache_clear()


@pytest.fixture
def count(engine: Engine) -> Callable[..., int]:
    """How many rows a table has, the events' by default."""

    def count(table: type[Base] = Event) -> int:
        with reading(engine) as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    return count


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, and kills those that are left at the end."""
    with serving(tmp_path) as serve:
        yield serve
