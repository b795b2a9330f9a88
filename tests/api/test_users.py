"""A user's data over HTTP: given to them, and erased."""

import json
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from unspoken.store.database import reading
from unspoken.store.tables import Audit, Erasure, Job

ANN = "ann/berlin ä@example.org"


@pytest.fixture
def admin(app, key_of):
    """From another machine, with an admin key."""
    headers = {"Authorization": f"Bearer {key_of('admin')}"}
    with TestClient(app, "https://collect.example", headers=headers, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def at(admin, make_event):
    """The address of Ann, who asked something."""
    told = [make_event("message", user=ANN, text="Where is the park?"), make_event("vote", user=ANN)]
    assert admin.post("/v1/events", json=told).json() == {"stored": 2, "repeated": 0}
    return f"/v1/users/{quote(ANN, safe='')}"


def test_a_user_is_given_everything_one_line_each(admin, at, engine):
    answer = admin.get(f"{at}/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["type"] for line in lines] == ["user", "message", "event", "event", "end"]
    assert lines[1]["text"] == "Where is the park?"
    assert lines[-1]["counts"] == {"user": 1, "message": 1, "event": 2}
    with reading(engine) as session:
        assert session.scalars(select(Audit.action).order_by(Audit.seq)).all()[-1] == "user.exported"


def test_who_is_not_known_is_given_that(admin):
    lines = [json.loads(line) for line in admin.get("/v1/users/nobody/export").text.splitlines()]
    assert [line["type"] for line in lines] == ["user", "end"]


def test_an_erasure_is_queued_and_older_events_are_refused_from_then_on(admin, at, engine, make_event):
    answer = admin.delete(at)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job']}"
    assert admin.get(answer.headers["location"]).json()["name"] == "user.erase"
    assert admin.delete(at).json() == answer.json()
    late = admin.post("/v1/events", json=make_event("vote", user=ANN, at="2026-10-01T12:00:00Z"))
    assert "stored" not in late.json() or late.json()["stored"] == 0
    with reading(engine) as session:
        job, erasure = session.scalars(select(Job)).one(), session.scalars(select(Erasure)).one()
        stored = f"{job.arguments} {erasure.user} {[row.subject for row in session.scalars(select(Audit))]}"
    assert "ann" not in stored
    assert erasure.asked_by.startswith("key ")


@pytest.mark.parametrize("role", ["write", "secret", "research"])
def test_only_an_admin_key_may(app, key_of, role):
    with TestClient(app, "https://x.example", headers={"Authorization": f"Bearer {key_of(role)}"}) as client:
        assert client.delete("/v1/users/ann").status_code == 403
        assert client.get("/v1/users/ann/export").status_code == 403


def test_nobody_may_without_a_key_not_even_at_this_machine(here, stranger):
    for client in (here, stranger):
        assert client.delete("/v1/users/ann").status_code == 401
        assert client.get("/v1/users/ann/export").status_code == 401


@pytest.mark.parametrize("user", ["", "x" * 201])
def test_an_id_that_can_be_nobodys_is_refused_with_what_was_needed(admin, user):
    assert admin.delete(f"/v1/users/{user}").status_code == 422
    assert "1 to 200 characters" in admin.delete(f"/v1/users/{user}").json()["detail"]
