"""How much a key may send: what is beyond it is refused whole, and what was taken is stored exactly."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from unspoken.api import bodies
from unspoken.api.app import create_app
from unspoken.api.limits import Bucket, Limits
from unspoken.errors import TooMany
from unspoken.settings import settings
from unspoken.store import keys, projects
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.keys import Principal
from unspoken.store.tables import Key

PATH = "/v1/events"


def test_a_key_far_beyond_its_rate_is_refused_and_the_rest_is_stored_exactly(stranger, key_of, make_event, count):
    headers = {"authorization": f"Bearer {key_of('write', events_per_s=5)}"}
    answers = [stranger.post(PATH, json=[make_event() for _ in range(10)], headers=headers) for _ in range(30)]
    taken = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(taken) >= 5
    assert refused
    assert len(taken) + len(refused) == 30
    assert count() == sum(answer.json()["stored"] for answer in taken) == 10 * len(taken)
    for answer in refused:
        assert answer.json()["type"] == "urn:unspoken:problem:too-many"
        assert "5 events per second, in bursts of 50" in answer.json()["detail"]
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert answer.headers["access-control-expose-headers"] == "Retry-After"


def test_a_body_that_has_to_be_read_twice_is_charged_as_well(stranger, key_of, make_event, count):
    headers = {"authorization": f"Bearer {key_of('write', events_per_s=0.001)}"}
    bad = [make_event(value=9), make_event()]
    assert stranger.post(PATH, json=bad, headers=headers).status_code == 207
    answer = stranger.post(PATH, json=bad, headers=headers)
    assert (answer.status_code, int(answer.headers["retry-after"]) > 900) == (429, True)
    assert count() == 1


def test_a_key_without_a_limit_is_not_held_back(client, make_event):
    answers = [client.post(PATH, json=[make_event() for _ in range(100)]).status_code for _ in range(5)]
    assert answers == [200] * 5


def test_a_request_larger_than_the_whole_bucket_passes_when_that_is_full():
    bucket = Bucket(rate=0.5)
    bucket.take(1000)
    with pytest.raises(TooMany) as refused:
        bucket.take(1)
    assert 1980 <= refused.value.retry_after_s <= 1992


def test_asking_takes_nothing():
    bucket = Bucket(rate=0.1)
    for _ in range(5):
        bucket.check()
    bucket.take(1)
    with pytest.raises(TooMany):
        bucket.check()


@pytest.fixture
def with_settings(monkeypatch):
    """Settings of this test alone."""

    def with_settings(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"UNSPOKEN_{name.upper()}", str(value))
        settings.cache_clear()

    yield with_settings
    settings.cache_clear()


def test_each_role_has_its_rate_and_a_key_may_have_its_own(with_settings):
    with_settings(write_key_events_per_s=7)
    limits = Limits()

    def rate(role, **more):
        bucket = limits.bucket(Principal("p", role, "k" + role, **more))
        return bucket and bucket.rate

    assert (rate("write"), rate("token", user="u"), rate("secret"), rate("admin")) == (7, 7, None, None)
    assert (rate("secret", events_per_s=3.0), rate("write", events_per_s=0.5)) == (3, 0.5)
    ann, bob = (limits.bucket(Principal("p", "token", "k", user=user)) for user in ("ann", "bob"))
    assert ann is limits.bucket(Principal("p", "token", "k", user="ann")) is not bob


def test_bodies_that_are_not_whole_yet_are_bounded_all_together(app, key_of, with_settings):
    with_settings(queue_bytes=100_000)
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {key_of('write')}".encode())]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}

    async def both():
        waiting, given_up = asyncio.Event(), asyncio.Event()
        answers = []

        async def send(message):
            answers.append(message.get("status"))

        def body(*parts):
            left = list(parts)

            async def receive():
                if left:
                    return {"type": "http.request", "body": left.pop(), "more_body": True}
                waiting.set()
                await given_up.wait()
                return {"type": "http.disconnect"}

            return receive

        first = asyncio.create_task(app(scope, body(b" " * 60_000), send))
        await waiting.wait()
        await app(scope, body(b" " * 60_000), send)
        assert answers[0] == 503
        given_up.set()
        await first
        await app(scope, body(b" " * 60_000), send)  # what was given up is no longer counted
        assert answers[::2] == [503, 400, 400]

    asyncio.run(both())


def test_a_full_queue_is_a_503_and_what_waited_is_stored(sqlite_engine, make_event, with_settings):
    with_settings(queue_events=10)
    with transaction(sqlite_engine) as session:
        _, key = keys.create(session, projects.create(session, "chat").id, "secret")
    app = create_app(sqlite_engine)
    headers = {"authorization": f"Bearer {key}"}
    with TestClient(app, headers=headers) as client, ThreadPoolExecutor(1) as pool:
        assert client.post(PATH, json=make_event()).status_code == 200
        with transaction(sqlite_engine) as session:
            session.connection()  # holds the lock: nobody else writes meanwhile
            waiting = pool.submit(client.post, PATH, json=[make_event() for _ in range(8)])
            while app.state.writer.depth[0] < 8:
                assert not waiting.done()
            answer = client.post(PATH, json=[make_event() for _ in range(8)])
            assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (503, True)
        assert waiting.result(120).json() == {"stored": 8, "repeated": 0}
        assert app.state.writer.depth == (0, 0)


def test_a_revoked_key_is_refused_at_once(stranger, key_of, engine, make_event, count):
    headers = {"authorization": f"Bearer {key_of('write')}"}
    assert stranger.post(PATH, json=make_event(), headers=headers).status_code == 200
    with transaction(engine) as session:
        session.execute(update(Key).values(revoked_at=now()))
    answers = [stranger.post(PATH, json=make_event(), headers=headers).status_code for _ in range(3)]
    assert (answers, count()) == ([401] * 3, 1)


@pytest.mark.parametrize("line", [b"a\n", b"1\n", b"{}\n"])
def test_lines_beyond_the_most_are_refused_before_any_is_read(stranger, key_of, monkeypatch, line):
    read: list[bytes] = []
    monkeypatch.setattr("unspoken.api.bodies._json", read.append)
    headers = {"authorization": f"Bearer {key_of('write')}", "content-type": "application/x-ndjson"}
    answer = stranger.post(PATH, content=line * 10_001, headers=headers)
    assert (answer.status_code, "at most 10000" in answer.json()["detail"], read) == (413, True, [])


def test_large_bodies_that_wait_to_be_read_are_bounded(app, key_of, with_settings, monkeypatch):
    with_settings(queue_bytes=200_000)
    decode, refused = bodies.decode, threading.Event()

    def slowly(body, sent_at):
        assert refused.wait(120)  # until somebody came meanwhile
        return decode(body, sent_at)

    monkeypatch.setattr(bodies, "decode", slowly)
    headers = {"authorization": f"Bearer {key_of('write')}", "content-type": "application/json"}
    body = b"[" + b'{"":[]},' * 50_000 + b"{}]"
    with TestClient(app) as client, ThreadPoolExecutor(6) as pool:

        def post(_):
            status = client.post(PATH, content=body, headers=headers).status_code
            refused.set()
            return status

        assert set(pool.map(post, range(6))) == {413, 503}
        assert client.post(PATH, content=body, headers=headers).status_code == 413
