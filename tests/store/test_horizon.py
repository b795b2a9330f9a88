"""A reader who comes back with the horizon misses nothing, also when transactions commit out of order."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, select

from unspoken.events import parse
from unspoken.store.database import reading, transaction
from unspoken.store.horizon import horizon, touched_conversations
from unspoken.store.ingest import ingest
from unspoken.store.tables import Event

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def write(project, make_event):
    def write(session, conversation):
        event = parse(make_event("vote", conversation=conversation))
        ingest(session, project, [event], sent_at=None, received_at=NOW)

    return write


@pytest.fixture
def look(engine, project):
    def look(since):
        with reading(engine) as session:
            until = horizon(session)
            return until, touched_conversations(session, project.id, since, until)

    return look


def test_each_look_sees_what_came_since_the_last(engine, write, look):
    for_first, nothing = look(None)
    assert nothing == []
    with transaction(engine) as session:
        write(session, "a")
        write(session, "b")
    for_second, first = look(for_first)
    with transaction(engine) as session:
        write(session, "b")
    for_third, second = look(for_second)
    assert (first, second) == (["a", "b"], ["b"])
    assert look(for_third)[1] == []
    assert look(None)[1] == ["a", "b"]


def test_a_transaction_that_commits_late_is_not_skipped(engine, write, look):
    begun, go, waited = threading.Event(), threading.Event(), []

    def slow():
        with transaction(engine) as session:
            write(session, "slow")
            begun.set()
            waited.append(go.wait(120))

    def quick():
        with transaction(engine) as session:
            write(session, "quick")

    first, second = threading.Thread(target=slow), threading.Thread(target=quick)
    first.start()
    assert begun.wait(120)
    second.start()
    if engine.dialect.name == "postgresql":
        second.join(120)  # takes a later number than the slow one and commits before it
    between, seen = look(None)
    go.set()
    first.join(120)
    second.join(120)
    assert waited == [True]
    _, afterwards = look(between)
    assert sorted(seen + afterwards) == ["quick", "slow"]
    with reading(engine) as session:
        numbers = {event.conversation: event.seq for event in session.scalars(select(Event))}
    # On PostgreSQL a watermark over the sequence would have stood at `quick` and skipped `slow`. SQLite lets the second
    # writer wait for the first, so its numbers are in the order of commits.
    assert numbers["slow"] < numbers["quick"]
    assert seen == []


def test_numbers_of_erased_events_are_not_given_out_again(engine, write, look):
    with transaction(engine) as session:
        write(session, "a")
    before, _ = look(None)
    with transaction(engine) as session:
        session.execute(delete(Event))
    with transaction(engine) as session:
        write(session, "b")
    assert look(before)[1] == ["b"]


def test_a_horizon_that_says_nothing_here_means_read_everything(engine, write, look):
    with transaction(engine) as session:
        write(session, "a")
    for since in ({}, {"transaction": 10**15, "seq": 10**15}, {"of another database": 3}):
        assert look(since)[1] == ["a"]
