"""The app on a fresh database, called as a browser elsewhere would; and the keys of its project."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from unspoken.api.app import create_app
from unspoken.store import keys
from unspoken.store.database import transaction
from unspoken.store.tables import Project

KeyOf = Callable[[str], str]


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    """Open to this machine, as `unspoken up` is."""
    return create_app(engine, local=True)


@pytest.fixture
def key_of(engine: Engine, project: Project) -> KeyOf:
    """Makes a key of a role for the project `chat`."""

    def key_of(role: str) -> str:
        with transaction(engine) as session:
            return keys.create(session, project.id, role)[1]

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
