"""Chats that are answered without a task, on a connection as a client uses it: kept open, slow, impatient."""

import json
import socket

import pytest
from sqlalchemy import delete

from unspoken.store.database import transaction
from unspoken.store.tables import Key

from .conftest import PATH, noticed, until
from .upstream import DONE, Gate, Reply, chunk, stream


@pytest.fixture
def engine(sqlite_engine):
    """On one kind of database: what is tested stands before it."""
    return sqlite_engine


@pytest.fixture
def line(server, key):
    """A connection that stays open."""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=120) as line:
        yield line


@pytest.fixture
def asked(key):
    """A chat as bytes."""

    def bytes_of(said, more="", **fields):
        body = json.dumps({"messages": [{"role": "user", "content": said}], "stream": True, **fields}).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        return f"{head}{more}Content-Length: {len(body)}\r\n\r\n".encode() + body

    return bytes_of


def answers(stream, number):
    """So many answers of a connection: (status, body)."""
    found = []
    for _ in range(number):
        status, length, body = int(stream.readline().split()[1]), None, b""
        while (header := stream.readline().strip().lower()) != b"":
            if header.startswith(b"content-length:"):
                length = int(header.partition(b":")[2])
        if length is not None:
            found.append((status, stream.read(length)))
            continue
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
        found.append((status, body))
    return found


def test_two_chats_sent_at_once_are_answered_in_their_order(line, asked, upstream, tree):
    upstream.replies.extend((stream("one"), stream("two"), stream("three")))
    line.sendall(asked("first") + asked("second"))
    reader = line.makefile("rb")
    (_, one), (_, two) = answers(reader, 2)
    assert b"one" in one and b"two" in two
    assert one.endswith(DONE) and two.endswith(DONE)
    line.sendall(asked("third"))
    [(status, three)] = answers(reader, 1)
    assert (status, b"three" in three) == (200, True)
    assert [each.text for each in tree.messages() if each.role == "user"] == ["first", "second", "third"]


def test_a_head_that_nothing_follows_is_passed_on_by_itself(line, asked, upstream):
    gate = Gate()
    upstream.replies.append(Reply([gate, chunk("Hi", finish="stop"), DONE]))
    line.sendall(asked("a"))
    came = b""
    while b"\r\n\r\n" not in came:
        came += line.recv(65_536)
    assert b"x-unspoken-message" in came and b"Hi" not in came
    gate.opened.set()
    while not came.endswith(b"0\r\n\r\n"):
        came += line.recv(65_536)
    assert b"Hi" in came and DONE in came


def test_a_word_is_passed_on_before_the_next_one_is_there(line, asked, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Half"), gate, chunk(" done", finish="stop"), DONE]))
    line.sendall(asked("a"))
    came = b""
    while b"Half" not in came:
        came += line.recv(65_536)
    assert came.startswith(b"HTTP/1.1 200 OK\r\n") and b"x-unspoken-message: " in came
    gate.opened.set()
    while not came.endswith(b"0\r\n\r\n"):
        came += line.recv(65_536)
    assert tree.messages()[-1].text == "Half done"


def test_whoever_leaves_before_the_first_word_was_sent_nothing(server, line, asked, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([gate, chunk("Late", finish="stop"), DONE]))
    line.sendall(asked("a"))
    assert gate.reached.wait(120)
    line.close()
    noticed(server.url)
    gate.opened.set()
    [left] = tree.events("disconnect", 1)
    assert left.fields == {"sent_chars": 0, "total_chars": 4}
    assert tree.message(left.message).text == "Late"


def test_a_reader_who_pauses_gets_all_of_it_and_the_server_waits(line, asked, upstream, tree):
    upstream.replies.append(Reply([*[chunk("x" * 20_000)] * 400, chunk(finish="stop"), DONE]))
    line.sendall(asked("a"))
    until(lambda: len(tree.messages()) == 2)  # stored, although hardly anything was read
    [(_, body)] = answers(line.makefile("rb"), 1)
    assert body.count(b"x" * 20_000) == 400
    assert body.endswith(DONE)
    assert tree.events("disconnect") == []


def test_an_error_of_the_upstream_leaves_the_connection_open(line, asked, upstream):
    told = b'{"error": {"message": "busy"}}'
    upstream.replies.extend((Reply([told], 429, {"content-type": "application/json", "x-wait": "5"}), stream("fine")))
    reader = line.makefile("rb")
    line.sendall(asked("a"))
    assert answers(reader, 1) == [(429, told)]
    line.sendall(asked("a"))
    assert b"fine" in answers(reader, 1)[0][1]


def test_a_revoked_key_is_refused_on_the_way_that_knew_it(engine, line, asked, upstream):
    with transaction(engine) as session:
        session.execute(delete(Key))
    line.sendall(asked("a"))
    [(status, body)] = answers(line.makefile("rb"), 1)
    assert status == 401
    assert json.loads(body)["error"]["type"] == "not-signed-in"
