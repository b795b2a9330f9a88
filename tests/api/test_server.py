"""A real server against peers that are slow, many, rude, or repeat themselves; and against its own end."""

import json
import random
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil
import pytest
from sqlalchemy import select
from tests.conftest import postgres_server

from unspoken.store.database import reading
from unspoken.store.tables import Event

PATH = "/v1/events"


def said(connection):
    """Everything that comes until the peer closes."""
    connection.settimeout(120)
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture
def web(serve, database_url):
    """A server and a client of it, once per test, with settings."""
    clients = []

    def web(*options, **settings):
        server = serve(database_url, *options, **settings)
        clients.append(httpx.Client(base_url=server.url, timeout=120, trust_env=False))
        assert clients[-1].get("/healthz").status_code == 200
        return server, clients[-1]

    yield web
    for client in clients:
        client.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_headers_and_bodies_that_drip_are_ended_while_others_are_served(web, key_of, make_event):
    server, client = web(body_timeout_s=0.5)
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    beginnings = {
        "headers": [head, b"X-Slow: "],
        "body": [head + b"Content-Length: 1000\r\nAuthorization: Bearer " + key_of("write").encode() + b"\r\n\r\n{"],
        "second": [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", head],
    }
    slow = {name: socket.create_connection(server.address) for name in beginnings}
    with ThreadPoolExecutor(3) as pool:
        endings = {}
        for name, parts in beginnings.items():
            for part in parts:
                slow[name].sendall(part)
            endings[name] = pool.submit(said, slow[name])
        answer = client.post(PATH, json=make_event(), headers={"authorization": f"Bearer {key_of('write')}"})
        assert answer.json() == {"stored": 1, "repeated": 0}
        ends = {name: end.result(120) for name, end in endings.items()}
    assert ends["headers"].startswith(b"HTTP/1.1 408 ")
    assert b"The headers of the request did not come within 0.5 s" in ends["headers"]
    assert ends["body"].startswith(b"HTTP/1.1 408 ")
    assert b"The body of the request did not come within 0.5 s" in ends["body"]
    assert [ends["second"].count(status) for status in (b"HTTP/1.1 200 ", b"HTTP/1.1 408 ")] == [1, 1]
    for connection in slow.values():
        connection.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_bytes_that_drip_in_do_not_put_the_end_off(web):
    server, _ = web(body_timeout_s=0.5)
    with socket.create_connection(server.address) as slow, ThreadPoolExecutor(1) as pool:
        slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        end = pool.submit(said, slow)
        with suppress(OSError):  # it is closed while we drip
            while not end.done():
                slow.sendall(b"x")
                threading.Event().wait(0.02)
        assert isinstance(end.exception(120), ConnectionError | None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_connection_that_says_nothing_is_closed_without_a_word(web):
    server, _ = web(body_timeout_s=0.3)
    with socket.create_connection(server.address) as silent:
        assert said(silent) == b""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_headers_without_end_are_refused(web):
    server, _ = web()
    with socket.create_connection(server.address) as endless:
        endless.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        endless.sendall(b"X: " + b"x" * 66_000)
        assert said(endless).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_connection_too_many_is_refused_and_those_that_are_there_go_on(serve, database_url):
    few = 160
    server = serve(database_url, files=few)
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as early:
        assert early.get("/healthz").status_code == 200
        held = [socket.create_connection(server.address) for _ in range(few - 100)]
        with socket.create_connection(server.address) as late:
            answer = said(late)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        assert early.get("/healthz").status_code == 200
        for connection in held:
            connection.close()


def test_ten_clients_that_send_the_same_batch_at_once_store_it_once(web, key_of, make_event, count):
    server, _ = web()
    batch = [make_event("message", message=f"m{n}") for n in range(50)] + [make_event() for _ in range(50)]
    headers = {"authorization": f"Bearer {key_of('secret')}"}
    together = threading.Barrier(10)

    def send(_):
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as own:
            own.get("/healthz")
            together.wait(120)
            return own.post(PATH, json=batch, headers=headers).json()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, range(10)))
    assert sum(answer["stored"] for answer in answers) == 100
    assert sum(answer["repeated"] for answer in answers) == 900
    assert count() == 100


def test_one_request_in_a_hundred_repeated_by_a_faulty_client_doubles_nothing(web, key_of, make_event, count):
    _, client = web()
    headers = {"authorization": f"Bearer {key_of('secret')}"}
    chance = random.Random(7)
    requests = [[make_event() for _ in range(chance.randint(1, 4))] for _ in range(400)]
    faulty = [*requests, *(each for each in requests if chance.random() < 0.01), requests[0]]
    chance.shuffle(faulty)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda batch: client.post(PATH, json=batch, headers=headers).json(), faulty))
    once = sum(map(len, requests))
    assert len(faulty) > len(requests)
    assert sum(answer["stored"] for answer in answers) == count() == once
    assert sum(answer["repeated"] for answer in answers) == sum(map(len, faulty)) - once


def _stored(engine):
    with reading(engine) as session:
        return set(session.scalars(select(Event.id)))


@pytest.mark.parametrize("processes", [1, 2])
def test_told_to_end_under_load_it_has_stored_what_it_answered_and_answered_what_it_took(
    web, key_of, make_event, engine, processes
):
    options = [] if processes == 1 else ["--processes", str(processes)]
    server, _ = web(*options)
    url = f"{server.url}{PATH}?key={key_of('write', events_per_s=1e6)}"
    acknowledged: set[str] = set()
    enough = threading.Event()

    def send():
        with httpx.Client(timeout=120, trust_env=False) as own:
            while True:
                event = make_event()
                try:
                    answer = own.post(url, json=event)
                except httpx.TransportError:  # closed, before a word of an answer
                    return
                assert answer.json() == {"stored": 1, "repeated": 0}
                acknowledged.add(event["id"])
                if len(acknowledged) > 300:
                    enough.set()

    with ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(send) for _ in range(8)]
        assert enough.wait(120)
        server.end(signal.SIGTERM)
        server.door.close()
        for sender in senders:
            sender.result(120)
    assert _stored(engine) == acknowledged


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_server_process_that_dies_is_replaced_while_the_other_answers(web):
    server, client = web("--processes", "2")
    first: set[int] = set()
    while len(first) < 2:  # one may answer before the other is there
        first = {child.pid for child in psutil.Process(server.process.pid).children()}
    assert len(first) == 2
    psutil.Process(min(first)).kill()
    now = first
    while len(now - first) < 1 or len(now) < 2:
        with suppress(httpx.TransportError):  # those that the dead one held
            assert client.get("/healthz").status_code == 200
        now = {child.pid for child in psutil.Process(server.process.pid).children()} - {min(first)}
    assert server.end() == 0


@pytest.fixture
def own_postgres():
    """A PostgreSQL server that a test may stop and start, and the URL of its migrated database."""
    from unspoken import migrate
    from unspoken.store.database import connect

    with postgres_server() as server:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        engine = connect(url)
        migrate.upgrade(engine)
        yield server, url, engine
        engine.dispose()


def test_a_database_that_is_stopped_and_started_under_load_loses_nothing_acknowledged(own_postgres, serve, make_event):
    from unspoken.store import keys, projects
    from unspoken.store.database import transaction

    postgres, url, engine = own_postgres
    with transaction(engine) as session:
        _, key = keys.create(session, projects.create(session, "chat").id, "secret")
    server = serve(url)
    acknowledged: set[str] = set()
    refused: list[int] = []
    away, before, after, stop = (threading.Event() for _ in range(4))

    def send():
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False, headers=headers) as own:
            while not stop.is_set():
                event = make_event()
                while (answer := own.post(PATH, json=event)).status_code != 200 and not stop.is_set():
                    refused.append(answer.status_code)
                    assert int(answer.headers["retry-after"]) >= 1
                    away.set()
                if answer.status_code == 200:
                    acknowledged.add(event["id"])
                (after if away.is_set() and answer.status_code == 200 else before).set()

    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send) for _ in range(4)]
        try:
            assert before.wait(120)
            postgres.stop()
            assert away.wait(120)
            try:
                postgres.ensure_postgres_running()
            except subprocess.TimeoutExpired:  # as in the fixture
                postgres.ensure_postgres_running()
            after.clear()
            assert after.wait(120)
        finally:
            stop.set()
        for sender in senders:
            sender.result(120)
    assert set(refused) == {503}
    assert acknowledged <= _stored(engine)
    assert server.process.poll() is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("filler", [b"a: b\r\n", b"x" * 100])
def test_trailers_without_end_are_ended(web, filler):
    server, _ = web(body_timeout_s=30)
    with socket.create_connection(server.address) as endless:
        endless.settimeout(120)
        endless.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nt: ")
        sent = 0
        with suppress(OSError):
            while sent < 20_000_000:
                sent += endless.send(filler * 1_000)
        assert sent < 20_000_000
    assert psutil.Process(server.process.pid).memory_info().rss < 300_000_000


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_body_in_the_smallest_chunks_is_taken(web, key_of, make_event):
    _, client = web(body_timeout_s=300)
    content = json.dumps([make_event() for _ in range(500)]).encode()
    headers = {"authorization": f"Bearer {key_of('secret')}", "content-type": "application/json"}
    answer = client.post(PATH, content=(content[i : i + 1] for i in range(len(content))), headers=headers)
    assert answer.json() == {"stored": 500, "repeated": 0}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("noise", [b"\r\n", b"\n"])
def test_empty_lines_do_not_hold_a_connection(web, noise):
    server, _ = web(body_timeout_s=0.5)
    with socket.create_connection(server.address) as held:
        held.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        threading.Event().wait(0.2)
        held.sendall(noise)
        assert said(held).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wish", [b"h2c", b"websocket"])
def test_who_would_rather_speak_another_protocol_is_served_in_this_one(web, key_of, make_event, wish):
    server, _ = web(body_timeout_s=2)
    content = json.dumps(make_event()).encode()
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABk\r\n" % wish
    post = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    post += b"Authorization: Bearer %b\r\n%b" % (key_of("secret").encode(), upgrade)
    post += b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n%b\r\n"
    whole = get % upgrade + post + get % b"" + get % b"Connection: close\r\n"
    for pieces in ([whole], [whole[i : i + 7] for i in range(0, len(whole), 7)]):
        with socket.create_connection(server.address) as connection:
            for piece in pieces:
                connection.sendall(piece)
            answers = said(connection)
        assert answers.count(b"HTTP/1.1 200 ") == 4, answers
        assert b'"stored":1' in answers or b'"repeated":1' in answers
    with socket.create_connection(server.address) as connection:
        connection.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert said(connection).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_several_requests_and_then_rubbish_leave_no_fault_in_the_log(web, key_of, make_event, count):
    server, client = web()
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n"
    content = json.dumps(make_event()).encode()
    one = head % key_of("secret").encode() + b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
    for _ in range(5):
        with socket.create_connection(server.address) as connection:
            connection.sendall(one * 3 + b"RUBBISH\r\n\r\n")
            assert said(connection).startswith(b"HTTP/1.1 ")
    until = [client.get("/healthz") for _ in range(50)]
    assert until[-1].status_code == 200
    assert count() == 1
    assert "Exception" not in server.log.read_text()
