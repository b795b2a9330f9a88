"""From the API to the episode table: events that come late, early, twice, and from clocks that are wrong."""

from datetime import UTC, datetime, timedelta
from itertools import islice, permutations
from typing import Any

import pytest
from fastapi.testclient import TestClient
from polars.testing import assert_frame_equal

from unspoken.api.app import create_app
from unspoken.events import parse
from unspoken.signals.episodes import episodes
from unspoken.store import closes, reading
from unspoken.store.columns import now
from unspoken.store.database import reading as looking
from unspoken.store.database import transaction
from unspoken.store.ingest import ingest

PATH = "/v1/events"


@pytest.fixture
def chat(make_event):
    """A prompt and its answer, what was done with the answer, what was said of it, and the next message below it."""
    times = iter(datetime(2026, 10, 1, 12, minute, tzinfo=UTC) for minute in range(60))

    def event(kind: str, message: str | None = "a", **fields: Any) -> dict[str, Any]:
        return make_event(kind, message=message, at=next(times).isoformat(), user="ann", page="p", **fields)

    return [
        event("message", "q", role="user", text="Where?"),
        event("message", "a", role="assistant", text="There.", parent="q") | {"user": None},
        event("expose"),
        event("view", visible_ms=900, seen_chars=6, total_chars=6),
        event("vote", value=1),
        event("rating", None, scale="quality", value=4, lowest=1, highest=5),
        event("message", "n", role="user", text="Thanks.", parent="a"),
    ]


@pytest.fixture
def table(engine, project):
    def table():
        with looking(engine) as session:
            found = (reading.read_messages(session, project.id), reading.read_events(session, project.id))
        return episodes(*found)

    return table


def send(client: TestClient, *events: dict[str, Any]) -> dict[str, int]:
    answer = client.post(
        PATH, json=[{name: value for name, value in one.items() if value is not None} for one in events]
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_feedback_before_its_message_joins_when_that_comes(client, chat, table):
    prompt, answer, *feedback = chat
    send(client, *feedback[:4])
    assert table().is_empty()
    send(client, answer)
    [early] = table().rows(named=True)
    assert (early["vote"], early["exposed"], early["visible_ms"], early["prompt"]) == (1, True, 900, None)
    assert early["rating"] == 0.75
    send(client, prompt, *feedback[4:])
    [whole] = table().rows(named=True)
    assert (whole["vote"], whole["prompt"], whole["continued"], whole["latency_s"]) == (1, "q", True, 60)


def test_every_order_of_arrival_gives_the_same_table(client, engine, project, chat, make_event):
    """Each order in a conversation of its own, one event a request; then all of it once more."""
    orders = [*islice(permutations(range(len(chat))), 0, 5040, 280), list(range(len(chat)))[::-1]]
    tables = []
    for number, order in enumerate(orders):
        told = [renamed(event, number, make_event) for event in chat]
        for place in order:
            assert send(client, told[place]) == {"stored": 1, "repeated": 0}
        assert send(client, *told) == {"stored": 0, "repeated": len(chat)}
        with looking(engine) as session:
            messages = reading.read_messages(session, project.id, [f"c{number}"])
            rows = episodes(messages, reading.read_events(session, project.id, [f"c{number}"]))
        tables.append(rows.drop("message", "conversation", "prompt", "root", "reply", "evidence", "stated_evidence"))
    assert len(tables[0]) == 1
    assert tables[0]["vote"].to_list() == [1]
    for other in tables[1:]:
        assert_frame_equal(other, tables[0])


def renamed(event: dict[str, Any], number: int, make_event: Any) -> dict[str, Any]:
    names = {name: f"{event[name]}{number}" for name in ("message", "parent") if event.get(name)}
    return event | names | {"id": make_event()["id"], "conversation": f"c{number}"}


def test_an_event_is_one_for_ever(client, engine, project, chat, table):
    """Also for another server, and a year later."""
    send(client, *chat)
    before = table()
    assert send(client, *chat) == {"stored": 0, "repeated": len(chat)}
    with TestClient(create_app(engine), "https://collect.example", headers=dict(client.headers)) as restarted:
        assert send(restarted, *chat) == {"stored": 0, "repeated": len(chat)}
    again = [parse({name: value for name, value in one.items() if value is not None}) for one in chat]
    with transaction(engine) as session:
        receipt = ingest(session, project, again, sent_at=None, received_at=now() + timedelta(days=366))
    assert (receipt.stored, receipt.repeated) == (0, len(chat))
    assert_frame_equal(table(), before)


def test_a_clock_that_is_wrong_is_set_right_by_the_sending_time(client, engine, project, make_event):
    wrong = now() - timedelta(days=400)
    events = [make_event(at=(wrong - timedelta(seconds=ago)).isoformat()) for ago in (90, 30)]
    assert client.post(PATH, json={"events": events, "sent_at": wrong.isoformat()}).json()["stored"] == 2
    with looking(engine) as session:
        first, second = reading.read_events(session, project.id)["at"]
    assert second - first == timedelta(seconds=60)
    assert abs(now() - second - timedelta(seconds=30)) < timedelta(minutes=5)


@pytest.fixture
def left(client, engine, chat, table, make_event):
    """An answer that was being written when its page hid, two hours ago; and the close that was inferred from it."""
    hidden = now() - timedelta(hours=2)

    def event(kind: str, minutes: float, **fields: Any) -> dict[str, Any]:
        at = (hidden + timedelta(minutes=minutes)).isoformat()
        return make_event(kind, message="a", at=at, user="ann", page="p", **fields)

    send(client, *chat[:2], event("expose", -1), event("heartbeat", -0.5, seen_chars=4, total_chars=6))
    send(client, event("hide", 0, phase="streaming"))
    assert [closes.infer(engine, now() + timedelta(minutes=minutes)) for minutes in (0, 31)] == [0, 1]
    [row] = table().rows(named=True)
    assert (row["closed"], row["seen_chars"]) == ("streaming", 4)
    return event


@pytest.mark.parametrize(
    ("kind", "fields"), [("return", {"away_ms": 5000}), ("vote", {}), ("copy", {}), ("message", {"role": "user"})]
)
def test_whoever_was_there_all_the_time_did_not_leave(client, left, table, kind, fields):
    message = {"message": "n"} if kind == "message" else {}
    send(client, left(kind, 29, **fields) | message)
    assert table().row(0, named=True)["closed"] is None


@pytest.mark.parametrize(
    ("kind", "minutes", "fields"),
    [
        ("return", 31, {}),
        ("return", -0.1, {}),
        ("view", 0.1, {}),
        ("heartbeat", 5, {}),
        ("disconnect", 1, {}),
        ("message", 1, {"role": "assistant", "message": "b"}),
    ],
)
def test_what_does_not_show_them_there_changes_nothing(client, left, table, kind, minutes, fields):
    send(client, left(kind, minutes) | fields)
    rows = {row["message"]: row["closed"] for row in table().rows(named=True)}
    assert rows["a"] == "streaming"


def test_another_person_in_the_conversation_brings_nobody_back(client, left, table):
    send(client, left("vote", 5) | {"user": "bob"})
    assert table().row(0, named=True)["closed"] == "streaming"


def test_heartbeats_that_come_late_move_the_close_and_a_view_takes_it_away(client, engine, make_event, chat, table):
    last = now() - timedelta(hours=2)

    def event(kind: str, minutes: float, **fields: Any) -> dict[str, Any]:
        at = (last + timedelta(minutes=minutes)).isoformat()
        return make_event(kind, message="a", at=at, user="ann", page="p", **fields)

    send(client, *chat[:2], event("pause", -1, ms=900, phase="reading"), event("heartbeat", 0, seen_chars=3))
    assert [closes.infer(engine, now() + timedelta(minutes=minutes)) for minutes in (0, 31)] == [0, 1]
    assert table().row(0, named=True)["closed"] == "reading"
    send(client, event("heartbeat", 5, seen_chars=5), event("pause", 4, ms=900, phase="reading"))
    assert table().row(0, named=True)["closed"] is None
    assert sum(closes.infer(engine, now() + timedelta(minutes=minutes)) for minutes in (62, 93)) == 1
    assert table().row(0, named=True)["closed"] == "reading"
    send(client, event("view", 6, visible_ms=400_000))
    assert table().row(0, named=True)["closed"] is None
