"""Every answer of POST /v1/events, on both databases."""

import asyncio
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import monotonic

from fastapi.testclient import TestClient
from sqlalchemy import select

from unspoken.api.app import create_app
from unspoken.store import keys, projects
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Base, Event, Message

PATH = "/v1/events"


def problem(answer, status, slug):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:unspoken:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"].endswith((".", ".)", "?"))
    return body


def test_a_batch_one_event_and_a_list_are_taken(client, make_event, count):
    batch = {"events": [make_event("message"), make_event("vote")], "sent_at": "2026-10-01T12:00:01Z"}
    assert client.post(PATH, json=batch).json() == {"stored": 2, "repeated": 0}
    assert client.post(PATH, json=make_event("copy")).json() == {"stored": 1, "repeated": 0}
    assert client.post(PATH, json=[make_event("stop"), make_event("share")]).json() == {"stored": 2, "repeated": 0}
    assert client.post(PATH, json=[]).json() == {"stored": 0, "repeated": 0}
    assert count() == 5


def test_the_same_ids_again_change_nothing(client, make_event, count):
    batch = {"events": [make_event("message"), make_event("vote")]}
    answers = [client.post(PATH, json=batch) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["repeated"] for answer in answers] == [0, 2, 2]
    assert count() == 2


def test_the_same_batch_from_eight_at_once_is_stored_once(app, client, make_event, count):
    batch = [make_event("message", message=f"m{n}") for n in range(20)] + [make_event("vote") for _ in range(20)]
    headers = dict(client.headers)

    def send(_):
        with TestClient(app, headers=headers) as own:
            return own.post(PATH, json=batch).json()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert sum(answer["stored"] for answer in answers) == 40
    assert sum(answer["repeated"] for answer in answers) == 280
    assert (count(), count(Message)) == (40, 20)


def test_lines_a_beacon_and_gzip_are_taken(client, stranger, key_of, make_event):
    lines = "\n".join(json.dumps(make_event()) for _ in range(3)) + "\n\n"
    answer = client.post(PATH, content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.json() == {"stored": 3, "repeated": 0}
    packed = gzip.compress(json.dumps([make_event()]).encode()[:50]) + gzip.compress(b"")
    whole = json.dumps([make_event(), make_event()]).encode()
    members = gzip.compress(whole[:50]) + gzip.compress(whole[50:])
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post(PATH, content=members, headers=headers).json()["stored"] == 2
    problem(client.post(PATH, content=packed, headers=headers), 400, "malformed-body")
    beacon = {"content-type": "text/plain;charset=UTF-8"}
    answer = stranger.post(f"{PATH}?key={key_of('write')}", content=json.dumps(make_event()), headers=beacon)
    assert answer.json() == {"stored": 1, "repeated": 0}


def test_good_items_are_stored_beside_bad_ones(client, make_event, count):
    good, bad = make_event("vote"), make_event("vote", value=9)
    answer = client.post(PATH, json={"events": [bad, good, make_event("thanks"), 7]})
    assert answer.status_code == 207
    body = answer.json()
    assert (body["stored"], body["repeated"]) == (1, 0)
    assert [(item["item"], item["id"] is None, item["status"]) for item in body["items"]] == [
        (0, False, 422),
        (2, False, 422),
        (3, True, 422),
    ]
    assert body["items"][0]["id"] == bad["id"]
    assert body["items"][0]["type"] == "urn:unspoken:problem:bad-event"
    assert body["items"][0]["field"] == "value"
    assert "`value` of a `vote` event is 9" in body["items"][0]["detail"]
    assert count() == 1
    assert client.post(PATH, json={"events": [bad, good]}).json()["repeated"] == 1


def test_a_line_that_is_not_json_does_not_hurt_the_others(client, make_event):
    lines = json.dumps(make_event()) + '\n{"id": \n' + json.dumps(make_event())
    answer = client.post(PATH, content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 207
    assert answer.json()["stored"] == 2
    [item] = answer.json()["items"]
    assert (item["item"], item["status"], item["type"]) == (1, 400, "urn:unspoken:problem:malformed-body")


def test_when_nothing_fits_the_answer_is_a_problem(client, make_event, count):
    body = problem(client.post(PATH, json={"events": [make_event("vote", value=9), 7]}), 422, "bad-event")
    assert (body["item"], body["field"], len(body["items"])) == (0, "value", 2)
    assert body["detail"].startswith("Item 0: `value` of a `vote` event is 9")
    assert "votes" in problem(client.post(PATH, json=make_event("votes")), 422, "bad-event")["detail"]
    assert count() == 0


def test_a_contradicting_message_is_a_conflict(client, make_event, count):
    client.post(PATH, json=make_event("message"))
    changed = make_event("message", text="another")
    problem(client.post(PATH, json=changed), 409, "conflict")
    answer = client.post(PATH, json=[changed, changed, make_event("vote")])
    assert answer.status_code == 207
    assert (answer.json()["stored"], answer.json()["repeated"]) == (1, 1)
    assert [item["status"] for item in answer.json()["items"]] == [409]
    assert count() == 2


MALFORMED = [
    (b"", "EOF"),
    (b"{", "EOF"),
    (b'{"a": NaN}', "expected value"),
    (b'"\\ud800"', "hex escape"),
    (b"\xff\xfe", "expected value"),
    (b"[" * 100_000, "recursion"),
    (b'{"a":' * 100_000, "recursion"),
]


def test_malformed_json_is_a_400(client):
    for content, sentence in MALFORMED:
        answer = client.post(PATH, content=content, headers={"content-type": "application/json"})
        assert sentence in problem(answer, 400, "malformed-body")["detail"]


def test_json_of_another_form_is_a_422(client):
    for content in [
        b"3",
        b'"text"',
        b"null",
        b'{"events": 3}',
        b'{"events": [], "extra": 1}',
        b'{"events": [], "sent_at": "x"}',
    ]:
        problem(client.post(PATH, content=content, headers={"content-type": "application/json"}), 422, "bad-input")


def test_other_types_are_a_415(client):
    for headers in (
        {"content-type": "application/xml"},
        {"content-type": ""},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "br"},
    ):
        problem(client.post(PATH, content=b"[]", headers=headers), 415, "wrong-media-type")


def test_ten_megabytes_are_a_413(client, make_event, count):
    large = json.dumps([make_event("message", text="x" * 999_000, message=f"m{n}") for n in range(10)])
    body = problem(client.post(PATH, content=large, headers={"content-type": "application/json"}), 413, "too-large")
    assert "5000000 bytes" in body["detail"]
    bomb = {"content-type": "application/json", "content-encoding": "gzip"}
    problem(client.post(PATH, content=gzip.compress(large.encode()), headers=bomb), 413, "too-large")
    problem(client.post(PATH, json=[{}] * 10_001), 413, "too-large")
    assert count() == 0


def test_a_body_that_does_not_end_is_refused_while_it_is_read(app, key_of):
    parts, sent = [], []
    headers = {"content-type": "application/json", "authorization": f"Bearer {key_of('write')}"}
    scope = {
        "type": "http", "method": "POST", "path": PATH, "query_string": b"", "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive():
        parts.append(64_000)
        return {"type": "http.request", "body": b" " * 64_000, "more_body": True}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413
    assert sum(parts) < 5_000_000 + 2 * 64_000


def test_keys_decide_who_may_append(stranger, key_of, make_event, engine):
    for headers in ({}, {"authorization": "Bearer uns_write_wrong"}, {"authorization": "Basic eDp5"}):
        answer = stranger.post(PATH, json=make_event(), headers=headers)
        problem(answer, 401, "not-signed-in")
        assert answer.headers["www-authenticate"] == "Bearer"
    problem(stranger.post(f"{PATH}?key=uns_write_wrong", json=make_event()), 401, "not-signed-in")
    problem(stranger.post(f"{PATH}?key={key_of('secret')}", json=make_event()), 403, "not-allowed")
    research = {"authorization": f"Bearer {key_of('research')}"}
    problem(stranger.post(PATH, json=make_event(), headers=research), 403, "not-allowed")
    for role in ("write", "secret", "admin"):
        headers = {"authorization": f"Bearer {key_of(role)}"}
        assert stranger.post(PATH, json=make_event(), headers=headers).json()["stored"] == 1


def test_a_write_key_appends_no_answers_unless_the_project_allows_it(stranger, key_of, make_event, engine):
    headers = {"authorization": f"Bearer {key_of('write')}"}
    said = make_event("message", role="assistant")
    assert "secret key" in problem(stranger.post(PATH, json=said, headers=headers), 403, "not-allowed")["detail"]
    answer = stranger.post(PATH, json=[said, make_event("vote")], headers=headers)
    assert (answer.status_code, answer.json()["stored"]) == (207, 1)
    with transaction(engine) as session:
        projects.get(session, "chat").settings = {"write_key_may_append_assistant": True}
    # A server looks at a project's rules every two seconds, and at their key's revocation in every transaction.
    deadline = monotonic() + 120
    while (answer := stranger.post(PATH, json=said, headers=headers)).status_code == 403 and monotonic() < deadline:
        pass
    assert answer.json() == {"stored": 1, "repeated": 0}


def test_a_clock_that_is_a_day_off_is_corrected(client, make_event, engine):
    wrong = datetime.now(UTC) + timedelta(days=1)
    clicked, sent = wrong - timedelta(seconds=3), round(wrong.timestamp() * 1000)
    client.post(PATH, json={"events": [make_event(at=clicked.isoformat())], "sent_at": sent})
    client.post(f"{PATH}?sent_at={sent}", json=make_event(at=clicked.isoformat()))
    with reading(engine) as session:
        for event in session.scalars(select(Event)):
            assert abs(event.occurred_at - (datetime.now(UTC) - timedelta(seconds=3))) < timedelta(minutes=5)
            assert event.at == clicked


def test_any_page_may_send_and_no_page_may_read(stranger, make_event):
    asked = {"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"}
    answer = stranger.options(PATH, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    refused = stranger.post(PATH, json=make_event(), headers={"Origin": "https://chat.example"})
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in stranger.get("/v1/status").headers


def test_a_database_that_is_gone_is_a_503_to_be_tried_again(sqlite_engine, make_event):
    with transaction(sqlite_engine) as session:
        _, key = keys.create(session, projects.create(session, "chat").id, "write")
    Base.metadata.tables["parked"].drop(sqlite_engine)
    Base.metadata.tables["events"].drop(sqlite_engine)
    with TestClient(create_app(sqlite_engine)) as client:
        answer = client.post(f"{PATH}?key={key}", json=make_event())
    assert "unspoken migrate" in problem(answer, 503, "unavailable")["detail"]
    assert answer.headers["retry-after"] == "5"
