"""Inferred closes on both databases: one for each silence, whoever looks and however often."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from unspoken.events import hash_user, parse
from unspoken.store import closes, erasure, projects
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import ingest
from unspoken.store.tables import Event, Project, Watermark

GRACE = timedelta(seconds=1800)


@pytest.fixture
def send(engine, project, make_event):
    """Stores events as they come `minutes` ago; their time is that of their coming unless it is given."""

    def send(minutes: float, *events: dict[str, Any], to: Project = project) -> None:
        at = now() - timedelta(minutes=minutes)
        with transaction(engine) as session:
            ingest(
                session,
                to,
                [parse({"at": at.isoformat(), **event}) for event in events],
                sent_at=None,
                received_at=at,
            )

    return send


@pytest.fixture
def event(make_event):
    """An event without a time of its own."""

    def event(kind: str, **fields) -> dict[str, Any]:
        made = make_event(kind, **{"page": "p"} | fields)
        if "at" not in fields:
            del made["at"]
        return made

    return event


def look(engine, minutes: float = 0) -> int:
    return closes.infer(engine, now() + timedelta(minutes=minutes))


def look_twice(engine) -> int:
    """Now, and when the grace period of everything that is here now is over."""
    return look(engine) + look(engine, 31)


def found(engine) -> list[Any]:
    with reading(engine) as session:
        columns = select(
            Event.id, Event.occurred_at, Event.message, Event.user, Event.page, Event.consent, Event.fields
        )
        return list(session.execute(columns.where(Event.kind == "close").order_by(Event.occurred_at)))


def test_a_hide_without_return_becomes_a_close_after_the_grace_period(engine, project, send, event):
    hide = event("hide", user="ann", phase="streaming", consent="1:service", at=(now() - GRACE * 2).isoformat())
    send(40, event("heartbeat", user="ann", seen_chars=10, total_chars=50, at=(now() - GRACE * 3).isoformat()), hide)
    assert (look(engine), found(engine)) == (0, [])
    assert look(engine, 29) == 0
    assert look(engine, 31) == 1
    [close] = found(engine)
    assert close.occurred_at == datetime.fromisoformat(hide["at"])
    assert close.user == hash_user(project.user_secret, "ann")
    assert (close.message, close.page, close.consent) == ("m1", "p", "1:service")
    assert close.fields == {
        "phase": "streaming", "seen_chars": 10, "total_chars": 50, "cause": "inferred", "silent_ms": 1_800_000,
    }  # fmt: skip


def test_looking_again_adds_nothing(engine, send, event):
    send(40, event("hide"), event("expose", conversation="c2"))
    assert look_twice(engine) == 2
    assert [look(engine, minutes) for minutes in (32, 60, 90, 200)] == [0, 0, 0, 0]
    with transaction(engine) as session:
        session.execute(delete(Watermark))
    assert look_twice(engine) == 0
    assert len(found(engine)) == 2


def test_two_workers_at_once_write_one_close(engine, send, event):
    send(40, *(event("hide", conversation=f"c{number}") for number in range(20)))
    look(engine)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: look(engine, 31), range(4))) == 20
    assert len(found(engine)) == 20


def test_a_return_or_an_orderly_end_leaves_no_close(engine, send, event):
    send(40, event("hide"), event("heartbeat", conversation="c2"), event("hide", conversation="c3"))
    send(20, event("return"), event("view", conversation="c2"))
    send(19, event("message", conversation="c3", message="m3", role="user", page=None))
    assert look_twice(engine) == 0


def test_a_silence_that_began_in_one_look_and_ended_in_the_next_is_none(engine, send, event):
    look(engine, -120)
    send(70, event("hide"))
    look(engine, -70)
    send(45, event("return"))
    look(engine, -40)
    look(engine, -5)
    assert (look(engine), found(engine)) == (0, [])


def test_looking_every_minute_finds_each_silence_once(engine, send, event):
    hidden = {200: "c1", 150: "c2", 100: "c3"}
    written = 0
    for minutes in range(200, -90, -5):
        if minutes in hidden:
            send(minutes, event("hide", conversation=hidden[minutes]))
        written += look(engine, -minutes)
    assert (written, len(found(engine))) == (3, 3)
    with reading(engine) as session:
        state = session.scalars(select(Watermark.horizon)).one()
    assert len(state["past"]) < 60


def test_a_clock_that_is_ahead_keeps_no_page_open_and_no_order_is_lost(engine, send, event):
    ahead = now() + timedelta(days=30)
    later = {"at": (ahead + timedelta(seconds=5)).isoformat()}
    send(40, event("hide", at=ahead.isoformat()))
    for number in range(8):
        beating = event("heartbeat", conversation=f"d{number}", at=ahead.isoformat())
        send(40, event("view", conversation=f"d{number}", **later), beating)
    assert look_twice(engine) == 1


def test_a_project_has_its_own_grace_period(engine, project, send, event):
    with transaction(engine) as session:
        projects.change(session, project.id, {"grace_s": 60})
        other = projects.create(session, "other")
    send(5, event("hide"))
    send(5, event("hide"), to=other)
    look(engine)
    assert look(engine, 2) == 1
    with reading(engine) as session:
        whose = select(Project.name).join(Event, Event.project == Project.number).where(Event.kind == "close")
        assert session.scalars(whose).all() == ["chat"]


def test_the_same_ids_in_two_projects_are_two_silences(engine, project, send, event):
    with transaction(engine) as session:
        other = projects.create(session, "other")
    hide = event("hide")
    send(40, hide)
    send(40, hide, to=other)
    assert look_twice(engine) == 2


def test_what_was_erased_meanwhile_has_no_consequences(engine, project, send, event):
    send(40, event("hide"))
    look(engine)
    with transaction(engine) as session:
        session.execute(delete(Event))
    assert look(engine, 31) == 0


def test_while_somebody_is_erased_no_close_of_theirs_is_written(engine, project, send, event):
    send(40, event("hide", user="ann"), event("hide", user="bob", conversation="c2"))
    look(engine)
    with transaction(engine) as session:
        asked = erasure.ask(session, project.id, hash_user(project.user_secret, "ann"), "a test")
    assert look(engine, 31) == 1
    assert [close.user for close in found(engine)] == [hash_user(project.user_secret, "bob")]
    with transaction(engine) as session:
        erasure.finish(session, asked)


@pytest.mark.parametrize(
    ("at", "ahead"),
    [("1970-01-01T00:00:10Z", timedelta(hours=1)), ("2199-12-01T00:00:00Z", timedelta(days=-20_000))],
)
def test_a_clock_that_makes_no_sense_stops_nobody_elses_closes(engine, project, send, event, at, ahead):
    """A correction that would move a time before 1970 or beyond 2200 moves it just there."""
    came = now() - timedelta(minutes=40)
    with transaction(engine) as session:
        odd = parse(event("expose", conversation="odd", at=at))
        ingest(session, project, [odd], sent_at=came + ahead, received_at=came)
    hide = event("hide", conversation="sane")
    send(40, hide)
    assert look_twice(engine) == 2
    with reading(engine) as session:
        closed = select(Event.conversation).where(Event.kind == "close")
        assert set(session.scalars(closed)) == {"odd", "sane"}
    assert look(engine, 90) == 0


def test_many_conversations_are_looked_at_in_parts(engine, send, event, monkeypatch):
    monkeypatch.setattr(closes, "CONVERSATIONS", 7)  # a bound, not a behaviour
    send(40, *(event("hide", conversation=f"c{number}") for number in range(50)))
    assert look_twice(engine) == 50
    with reading(engine) as session:
        within = select(func.count(Event.conversation.distinct())).where(Event.kind == "close")
        assert session.scalar(within) == 50
