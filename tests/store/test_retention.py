"""What is older than its project keeps goes, in chunks; what is not stays."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import func, select

from unspoken.events import parse
from unspoken.frames import LABELS, PAIRS, UNPAIRED
from unspoken.store import datasets, overview, projects, retention
from unspoken.store.database import reading, transaction
from unspoken.store.fold import fold
from unspoken.store.horizon import horizon
from unspoken.store.ingest import ingest
from unspoken.store.tables import Audit, Conversation, Event, Label, Message, Parked, Participant, Person

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def arrive(engine, project, make_event):
    """Stores a message of a user in a conversation of their own, and a vote on it, received so many days ago."""

    def arrive(user, days_ago, into=project):
        own = {"conversation": f"of-{user}", "message": f"m-{user}", "user": user}
        events = [parse(make_event("message", **own)), parse(make_event("vote", **own))]
        with transaction(engine) as session:
            ingest(session, into, events, sent_at=None, received_at=NOW - timedelta(days=days_ago))

    return arrive


def count(engine, table):
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table))


def test_what_is_older_goes_with_all_that_hangs_on_it(engine, project, arrive):
    arrive("ann", 40)
    arrive("bob", 10)
    fold(engine)
    counts = retention.expire(engine, project.id, 30, NOW)
    assert counts == {"events": 2, "messages": 1, "conversations": 1, "people": 1}
    assert (count(engine, Event), count(engine, Message)) == (2, 1)
    assert (count(engine, Conversation), count(engine, Person), count(engine, Parked)) == (1, 1, 0)
    with reading(engine) as session:
        said = session.scalars(select(Audit)).one()
        assert overview.overviews(session, project.id)[0].kinds == {"message": 1, "vote": 1}
    assert (said.action, said.actor) == ("events.expired", "retention")
    assert said.details == {"before": "2026-09-01T12:00:00+00:00", **counts}


def test_nothing_old_is_nothing_done_and_nothing_said(engine, project, arrive):
    arrive("ann", 29)
    assert retention.expire(engine, project.id, 30, NOW) == {}
    assert count(engine, Audit) == 0


def test_many_go_in_several_transactions(engine, project, make_event, monkeypatch):
    events = [parse(make_event("vote", message=f"m{number}")) for number in range(retention.ROWS * 2 + 3)]
    with transaction(engine) as session:
        ingest(session, project, events, sent_at=None, received_at=NOW - timedelta(days=2))
        ingest(session, project, [parse(make_event("vote"))], sent_at=None, received_at=NOW)
    fold(engine)
    assert retention.expire(engine, project.id, 1, NOW)["events"] == retention.ROWS * 2 + 3
    assert (count(engine, Event), count(engine, Parked)) == (1, 1)


def test_labels_of_what_is_gone_go_too_and_nothing_is_withdrawn(engine, project, arrive):
    arrive("ann", 40)
    arrive("bob", 10)
    labels = pl.DataFrame(
        [
            {"message": message, "user": None, "family": "stated", "rule": "vote/1", "p": 1.0, "evidence": []}
            for message in ("m-ann", "m-bob")
        ],
        schema=dict(LABELS),
    )
    with reading(engine) as session:
        seen = horizon(session)
    empty = (pl.DataFrame(schema=dict(PAIRS)), pl.DataFrame(schema=dict(UNPAIRED)))
    made = datasets.save(engine, project.id, {}, seen, "d", [], labels, *empty)
    assert retention.expire(engine, project.id, 30, NOW)["labels"] == 1
    with reading(engine) as session:
        assert session.scalars(select(Label.message)).all() == ["m-bob"]
        assert datasets.get(session, made).withdrawn_at is None


def test_only_projects_with_a_limit_are_due(engine, project, arrive):
    with transaction(engine) as session:
        other = projects.create(session, "other")
    arrive("ann", 40)
    arrive("eve", 40, into=other)
    with reading(engine) as session:
        assert retention.due(session) == []
    with transaction(engine) as session:
        projects.change(session, project.id, {"retention_days": 30})
    with reading(engine) as session:
        assert retention.due(session) == [(project.id, 30)]
    retention.expire(engine, project.id, 30, NOW)
    assert count(engine, Event) == 2


def test_a_clock_that_was_set_back_keeps_nothing(engine, project, arrive, make_event, monkeypatch):
    monkeypatch.setattr(retention, "ROWS", 3)
    monkeypatch.setattr(retention, "LOOK", 4)
    arrive("ann", -4000)  # while it was ahead
    for user in ("bob", "cid", "dan"):
        arrive(user, 40)
    arrive("eve", 10)
    returned = parse(make_event("vote", conversation="of-ann", message="m-ann", user="dan"))
    with transaction(engine) as session:
        ingest(session, project, [returned], sent_at=None, received_at=NOW - timedelta(days=40))
    fold(engine)
    counts = retention.expire(engine, project.id, 30, NOW)
    assert (counts["events"], counts["messages"], counts["people"]) == (7, 3, 3)
    with reading(engine) as session:
        assert set(session.scalars(select(Event.user))) == set(session.scalars(select(Person.user)))
        assert set(session.scalars(select(Conversation.id))) == {"of-ann", "of-eve"}
        assert set(session.scalars(select(Participant.user))) == set(session.scalars(select(Event.user)))
    assert retention.expire(engine, project.id, 30, NOW) == {}
