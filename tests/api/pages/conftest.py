"""Browsers: one on another machine, and one there whose owner signed in."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

KeyOf = Callable[..., str]
SAME = {"sec-fetch-site": "same-origin"}  # what a browser says of a form on our own page


@pytest.fixture
def elsewhere(app: FastAPI) -> Iterator[TestClient]:
    """A browser on another machine that asks from pages of ours; it shows redirects instead of following them."""
    with TestClient(
        app, "https://collect.example", headers=SAME, client=("203.0.113.9", 50000), follow_redirects=False
    ) as client:
        yield client


@pytest.fixture
def admin_key(key_of: KeyOf) -> str:
    """An admin key of the project `chat`."""
    return key_of("admin", name="the browser's")


@pytest.fixture
def browser(elsewhere: TestClient, admin_key: str) -> TestClient:
    """As `elsewhere`, signed in for the project `chat`."""
    assert elsewhere.post("/signin", data={"key": admin_key}).status_code == 303
    return elsewhere
