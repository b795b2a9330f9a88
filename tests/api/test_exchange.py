"""Requests that a real server answers without a task: the same answers, in their order, whatever comes meanwhile."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import select

from unspoken.store import keys
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Event, Key

PATH = "/v1/events"
VARY = ("date", "connection", "content-length")  # the first to come stores what the second repeats


@pytest.fixture
def server(serve, database_url):
    """A real one."""
    return serve(database_url)


@pytest.fixture
def real(server, key_of):
    """Its client, whose key was looked up already, on a connection that stays open."""
    headers = {"authorization": f"Bearer {key_of('secret')}"}
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False, headers=headers) as client:
        assert client.post(PATH, json=[]).status_code == 200
        yield client


def raw(client, *events, more=""):
    """A POST of events as bytes."""
    body = json.dumps(list(events)).encode()
    key = client.headers["authorization"]
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answers(connection, number):
    """So many answers that have bodies, as (status, body)."""
    stream, found = connection.makefile("rb"), []
    for _ in range(number):
        status, length = int(stream.readline().split()[1]), 0
        while (line := stream.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        found.append((status, stream.read(length)))
    return found


def test_both_ways_give_the_same_answer(real, client, make_event):
    message, event = make_event("message", message="m7"), make_event()
    asked = [
        [make_event() for _ in range(12)],
        [event],
        [event, make_event()],
        [message],
        [make_event("message", message="m7", text="Another text.")],
        [make_event(), make_event("message", message="m7", text="Another text.")],
        [make_event(), make_event(value=9)],
        [make_event(value=9)],
        [],
        {"events": [make_event()], "sent_at": "2026-10-01T12:00:05Z"},
        event,
    ]
    for more in ({}, {"connection": "close"}):
        for events in asked:
            ours, theirs = (each.post(PATH, json=events, headers=more) for each in (real, client))
            heads = [{**answer.headers, **dict.fromkeys(VARY, "")} for answer in (ours, theirs)]
            assert heads[0] == heads[1]
            assert len(ours.content) == int(ours.headers["content-length"])
            assert ours.status_code == theirs.status_code
            assert ours.headers["date"]
            assert ours.headers.get("connection") == more.get("connection")


def test_requests_that_come_at_once_are_answered_in_their_order(server, real, make_event):
    with socket.create_connection(server.address) as connection:
        get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        first, second = make_event(), make_event()
        connection.sendall(raw(real, first, second) + get + raw(real, first) + get + raw(real, {"id": 1}))
        found = answers(connection, 5)
    assert [status for status, _ in found] == [200, 200, 200, 200, 422]
    assert [json.loads(body) for _, body in found[:3:2]] == [
        {"stored": 2, "repeated": 0},
        {"stored": 0, "repeated": 1},
    ]


def test_a_body_that_comes_in_pieces_is_stored_like_any_other(server, real, make_event):
    with socket.create_connection(server.address) as connection:
        for at in (30, -40, -1):
            sent = raw(real, make_event())
            connection.sendall(sent[:at])
            connection.sendall(sent[at:])
            assert answers(connection, 1) == [(200, b'{"stored":1,"repeated":0}')]


def test_a_key_that_was_revoked_stores_nothing_more(real, engine, make_event):
    assert real.post(PATH, json=make_event()).json() == {"stored": 1, "repeated": 0}
    with transaction(engine) as session:
        for key in session.scalars(select(Key)).all():
            keys.revoke(session, key.id)
    assert [real.post(PATH, json=make_event()).status_code for _ in range(3)] == [401] * 3
    with reading(engine) as session:
        assert len(session.scalars(select(Event.id)).all()) == 1


def test_a_rate_holds_on_both_ways(serve, database_url, key_of, make_event):
    server = serve(database_url)
    headers = {"authorization": f"Bearer {key_of('write', events_per_s=1.0)}"}
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False, headers=headers) as client:
        found = [client.post(PATH, json=make_event()) for _ in range(10)]
        while found[-1].status_code == 200 and len(found) < 100:  # a second that passes is one event more
            found.append(client.post(PATH, json=make_event()))
    assert [answer.status_code for answer in found[:10]] == [200] * 10
    assert found[-1].status_code == 429
    assert found[-1].headers["retry-after"] == "1"


def test_what_a_client_that_left_has_sent_is_stored(server, real, engine, make_event):
    sent = [make_event() for _ in range(20)]
    for event in sent:
        with socket.create_connection(server.address) as connection:
            connection.sendall(raw(real, event))
    again = real.post(PATH, json=sent).json()  # comes after them, and so is written after them
    assert again["stored"] + again["repeated"] == 20
    with reading(engine) as session:
        assert set(session.scalars(select(Event.id))) == {event["id"] for event in sent}


def test_told_to_end_the_server_answers_what_it_took(server, real, engine, make_event):
    with ThreadPoolExecutor(8) as pool:
        sent = [[make_event() for _ in range(50)] for _ in range(8)]

        def post(events):
            with socket.create_connection(server.address) as connection:
                connection.sendall(raw(real, *events))
                return answers(connection, 1)[0]

        answered = [pool.submit(post, events) for events in sent]
        server.process.send_signal(signal.SIGTERM)
        taken = [future.result()[0] == 200 for future in answered if not future.exception()]
    assert server.process.wait(120) in (0, -signal.SIGTERM)
    with reading(engine) as session:
        stored = len(session.scalars(select(Event.id)).all())
    assert stored >= 50 * sum(taken)
