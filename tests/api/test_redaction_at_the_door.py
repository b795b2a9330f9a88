"""Texts are redacted before they are stored, or not stored at all."""

import pytest
from sqlalchemy import select

from unspoken import redaction
from unspoken.settings import settings
from unspoken.store import projects
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Event, Message


@pytest.fixture
def hook(monkeypatch):
    """Sets UNSPOKEN_REDACT_HOOK."""

    def hook(name):
        monkeypatch.setenv("UNSPOKEN_REDACT_HOOK", name)
        settings.cache_clear()
        redaction._hooked.cache_clear()

    yield hook
    monkeypatch.undo()
    settings.cache_clear()


def test_what_the_project_names_is_blotted_out_of_texts_and_comments(client, engine, project, make_event):
    with transaction(engine) as session:
        projects.change(session, project.id, {"redact": ["email", "ip"]})
    told = [
        make_event("message", text="I am ann@example.org at 10.0.0.1, born 1990-01-01"),
        make_event("vote", comment="write to ann@example.org"),
    ]
    assert client.post("/v1/events", json=told).json()["stored"] == 2
    assert client.post("/v1/events", json=told).json()["repeated"] == 2
    with reading(engine) as session:
        assert session.scalars(select(Message.text)).one() == "I am [email] at [ip], born 1990-01-01"
        assert session.scalars(select(Event.fields).where(Event.kind == "vote")).one()["comment"] == "write to [email]"


@pytest.mark.parametrize("name", ["no.such.module:function", "json:loads"])
def test_a_broken_hook_stops_the_door_and_nothing_is_stored(client, count, make_event, hook, name):
    hook(name)
    answer = client.post("/v1/events", json=make_event("message", text="secret words"))
    assert answer.status_code == 503, answer.text
    assert "redaction hook" in answer.json()["detail"]
    assert "secret words" not in answer.text
    assert answer.headers["retry-after"]
    assert count() == count(Message) == 0
