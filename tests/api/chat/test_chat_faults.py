"""What goes wrong: no upstream, garbage, too much, a revoked key, a stale connection."""

import asyncio
import gc
import json
from dataclasses import replace
from threading import Thread
from time import sleep

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from sqlalchemy import select, update

from unspoken.api.chat import wire
from unspoken.api.chat.answers import Answers, Blocks, data_of
from unspoken.settings import settings
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Key, Message

from .conftest import noticed, serving
from .upstream import DONE, Gate, Reply, chunk, completion, stream

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hi!"}]
ASK = {"model": "m-1", "messages": MESSAGES}


def test_without_an_upstream_a_sentence_says_how_to_set_it(sqlite_engine, monkeypatch, tmp_path):
    import httpx

    from unspoken.store import keys, projects

    monkeypatch.setenv("UNSPOKEN_UPSTREAM_URL", "")
    settings.cache_clear()
    with transaction(sqlite_engine) as session:
        _, key = keys.create(session, projects.create(session, "chat").id, "secret")
    with serving(sqlite_engine) as server:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(server.url + PATH, json=ASK, headers=headers, trust_env=False)
    settings.cache_clear()
    assert answer.status_code == 503
    assert "UNSPOKEN_UPSTREAM_URL" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    with reading(sqlite_engine) as session:
        assert session.scalars(select(Message)).all() == []


def test_an_upstream_that_is_not_there_is_a_503(http, upstream, tree):
    upstream.stop()
    answer = http.post(PATH, json=ASK)
    assert answer.status_code == 503
    assert "did not answer" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 422, "JSON object"),
        (b"{}", 422, "`messages` is missing"),
        (b'{"messages": []}', 422, "empty"),
        (b'{"messages": [1]}', 422, "`messages.0`"),
        (b'{"messages": [{"role": "user"}], "metadata": {"unspoken_usr": "a"}}', 422, "unspoken_usr"),
        (b'{"messages": [{"role": "user"}], "metadata": {"unspoken_user": 1}}', 422, "unspoken_user"),
        (b'{"messages": [{"role": "user"}], "metadata": {"unspoken_arm": "["}}', 422, "not JSON"),
        (b'{"messages": [{"role": "usr"}]}', 422, "`messages.0.role` is `usr`"),
        (b'{"messages": [{"role": "usr"}]}', 422, "Did you mean `user`?"),
        (b'{"messages": [{"role": "user"}], "metadata": {"unspoken_usr": "a"}}', 422, "Did you mean `unspoken_user`?"),
        (b'{"messages": "' + b"x" * 5_000_001 + b'"}', 413, "5000000"),
    ],
)
def test_a_request_that_is_no_chat_is_refused_with_a_sentence(http, upstream, body, status, words):
    answer = http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert upstream.asked == []


def test_an_unknown_header_of_ours_is_refused_with_the_one_that_was_meant(http, upstream):
    answer = http.post(PATH, json=ASK, headers={"X-Unspoken-Usr": "ann"})
    assert answer.status_code == 422
    assert "X-Unspoken-Usr. Did you mean X-Unspoken-User?" in answer.json()["detail"]
    assert upstream.asked == []


def test_the_roles_of_older_and_newer_clients_are_known(http, upstream, tree):
    roles = ("developer", "user", "assistant", "function", "tool", "user")
    messages = [{"role": role, "content": f"{place}"} for place, role in enumerate(roles)]
    assert http.post(PATH, json={"model": "m-1", "messages": messages}).status_code == 200
    assert [said["role"] for said in upstream.asked[0].body["messages"]] == list(roles)
    assert {(each.text, each.role) for each in tree.messages()} >= {("0", "system"), ("3", "tool"), ("4", "tool")}


def test_garbage_in_a_stream_is_passed_on_and_what_can_be_read_is_stored(http, upstream, tree):
    parts = [b": still thinking\n\n", chunk("a"), b"data: {not json\n\n", b'data: {"choices": 7}\n\n', chunk("b")]
    upstream.replies.append(Reply([*parts, chunk("c", index=5), chunk(finish="content_filter"), DONE]))
    answer = http.post(PATH, json=ASK | {"stream": True})
    assert answer.content == b"".join([*parts, chunk("c", index=5), chunk(finish="content_filter"), DONE])
    stored = tree.message(answer.headers["x-unspoken-message"])
    assert (stored.text, stored.finish) == ("ab", "unknown")
    again = http.get(f"{PATH}/{stored.id}").content
    assert again.startswith(b"id: 1\ndata: ")
    assert again.count(b"id: ") == 7 == again.count(b"data: ")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": 7}', b'{"choices": [{"message": {"content": 3}}]}'])
def test_a_whole_answer_that_cannot_be_read_is_passed_on_and_noted(http, upstream, tree, body):
    upstream.replies.append(Reply([body], headers={"content-type": "application/json"}))
    answer = http.post(PATH, json=ASK)
    assert (answer.status_code, answer.content) == (200, body)
    assert tree.message(answer.headers["x-unspoken-message"]).finish in ("error", "unknown")


def test_a_whole_answer_that_breaks_off_is_a_503(http, upstream):
    upstream.replies.append(Reply([b'{"choices": [', None], headers={"content-type": "application/json"}))
    assert http.post(PATH, json=ASK | {"stream": False}).status_code == 503


def test_an_error_within_a_stream_is_an_error_of_the_answer(http, upstream, tree):
    upstream.replies.append(Reply([chunk("a"), b'data: {"error": {"message": "overloaded"}}\n\n', DONE]))
    answer = http.post(PATH, json=ASK | {"stream": True})
    assert b"overloaded" in answer.content
    assert tree.message(answer.headers["x-unspoken-message"]).finish == "error"


@pytest.mark.parametrize(
    "later",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\nLEFTOVER",
        b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ],
)
def test_what_comes_between_two_answers_reaches_nobody(server, http, upstream, tree, later):
    first = replace(completion("To the first."), later=later)
    upstream.replies.append(first)
    assert "To the first." in http.post(PATH, json=ASK).text
    assert first.over.wait(120)
    noticed(server.url)
    upstream.replies.append(completion("To the second."))
    second = http.post(PATH, json={"messages": [{"role": "user", "content": "And me?"}]})
    assert second.status_code == 200
    assert "To the second." in second.text and "LEFTOVER" not in second.text
    assert [each.text for each in tree.messages() if each.role == "assistant"] == ["To the first.", "To the second."]


def test_a_status_that_http_does_not_have_is_a_503(http, upstream):
    http.post(PATH, json=ASK)
    upstream.replies.append(Reply([b"{}"], status=600, headers={"content-type": "application/json"}))
    answer = http.post(PATH, json=ASK)
    assert answer.status_code == 503
    assert "status 600" in answer.json()["detail"]


def test_a_connection_that_never_was_leaves_nothing_behind(monkeypatch):
    async def ask_in_tls_where_nobody_speaks_it():
        async def talk(reader, writer):
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        lines = wire.Lines("127.0.0.1", server.sockets[0].getsockname()[1], secure=True)
        for _ in range(3):
            with pytest.raises(OSError):
                await lines.head(b"GET / HTTP/1.1\r\n\r\n", None)
        server.close()
        left = lines_left()
        for _ in range(1_000):
            if not (left := lines_left()):
                break
            await asyncio.sleep(0.1)
        return left

    def lines_left():
        gc.collect()
        return sum(type(each) is wire.Line for each in gc.get_objects())

    monkeypatch.setattr(wire, "READ_S", 0.1)
    assert uvloop.run(ask_in_tls_where_nobody_speaks_it()) == 0


def test_an_upstream_that_says_nothing_is_a_503_and_is_asked_once(monkeypatch, http, upstream):
    monkeypatch.setattr(wire, "READ_S", 2)
    gate = Gate()
    upstream.replies.extend((completion("Hi."), Reply([gate], status=0)))
    http.post(PATH, json=ASK)  # there is an open connection
    answer = http.post(PATH, json=ASK)
    gate.opened.set()
    assert answer.status_code == 503
    assert "nothing came for 2 s" in answer.json()["detail"]
    assert len(upstream.asked) == 2


def test_an_upstream_that_falls_silent_ends_the_answer_with_an_error(monkeypatch, http, upstream, tree):
    monkeypatch.setattr(wire, "READ_S", 2)
    gate = Gate()
    upstream.replies.append(Reply([chunk("Half"), gate]))
    said = http.post(PATH, json=ASK | {"stream": True}).text
    gate.opened.set()
    assert "Half" in said and "nothing came for 2 s" in said
    assert [(each.text, each.finish) for each in tree.messages()[1:]] == [("Half", "error")]


def test_words_that_keep_coming_are_not_silence(monkeypatch, http, upstream, tree):
    monkeypatch.setattr(wire, "READ_S", 3)
    pauses = [Gate() for _ in range(4)]
    parts = [part for pause in pauses for part in (chunk("word "), pause)]
    upstream.replies.append(Reply([*parts, chunk("end", finish="stop"), DONE]))
    opened = Thread(target=_open_each, args=(pauses, 0.8))
    opened.start()
    said = http.post(PATH, json=ASK | {"stream": True}).text
    opened.join()
    assert said.endswith("data: [DONE]\n\n")
    assert tree.messages()[1].text == "word word word word end"


def _open_each(pauses, seconds):
    for pause in pauses:
        pause.reached.wait(120)
        sleep(seconds)
        pause.opened.set()


def test_a_stream_without_an_end_is_unknown(http, upstream, tree):
    upstream.replies.append(Reply([chunk("a")]))
    answer = http.post(PATH, json=ASK | {"stream": True})
    assert answer.content == chunk("a")
    assert tree.message(answer.headers["x-unspoken-message"]).finish == "unknown"


def test_ten_thousand_chunks_arrive_and_are_stored(http, upstream, tree):
    words = [f"w{n} " for n in range(10_000)]
    upstream.replies.append(stream(*words))
    answer = http.post(PATH, json=ASK | {"stream": True})
    assert answer.content.count(b"data: ") == 10_002
    message = answer.headers["x-unspoken-message"]
    assert tree.message(message).text == "".join(words)
    assert http.get(f"{PATH}/{message}", params={"after": 9_999}).content.startswith(b"id: 10000\ndata: ")


def test_nul_and_halves_of_characters_are_stored_as_what_can_be(http, upstream, tree):
    upstream.replies.append(stream("a\0b"))
    answer = http.post(PATH, json={"messages": [{"role": "user", "content": "x\0y"}], "stream": True})
    assert tree.path(answer.headers["x-unspoken-message"]) == [("user", "x\ufffdy"), ("assistant", "a\ufffdb")]


def test_a_revoked_key_gets_nothing_of_the_answer(engine, http, upstream, tree):
    assert http.post(PATH, json=ASK).status_code == 200
    with transaction(engine) as session:
        session.execute(update(Key).values(revoked_at=now()))
    answer = http.post(PATH, json=ASK | {"stream": True})
    assert answer.status_code == 401
    assert b"Hello" not in answer.content
    assert len(tree.messages()) == 2


def test_a_key_revoked_in_mid_stream_does_not_unmake_the_answer(engine, http, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([chunk("a"), gate, chunk("b"), chunk(finish="stop"), DONE]))
    with http.stream("POST", PATH, json=ASK | {"stream": True}) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        with transaction(engine) as session:
            session.execute(update(Key).values(revoked_at=now()))
        gate.opened.set()
        assert b"".join(pieces).endswith(DONE)
    assert tree.message(answer.headers["x-unspoken-message"]).text == "ab"


def test_the_token_lets_the_users_page_vote_on_that_answer(http, server, upstream, tree, make_event):
    import httpx

    answer = http.post(PATH, json=ASK | {"user": "ann"})
    vote = make_event(
        message=answer.headers["x-unspoken-message"],
        conversation=answer.headers["x-unspoken-conversation"],
        user="ann",
    )
    token = answer.headers["x-unspoken-token"]
    stored = httpx.post(f"{server.url}/v1/events", params={"key": token}, json=vote, trust_env=False)
    assert stored.json()["stored"] == 1
    assert [event.message for event in tree.events("vote", 1)] == [vote["message"]]


def test_the_official_client_tries_again_after_a_503(server, key, upstream, tree):
    upstream.replies.append(Reply([b"{}"], 503, {"content-type": "application/json", "retry-after-ms": "1"}))
    with OpenAI(base_url=f"{server.url}/v1", api_key=key, timeout=120) as client:
        said = client.chat.completions.create(model="m-1", messages=[{"role": "user", "content": "Hi!"}], user="ann")
    assert said.choices[0].message.content == "Hello there."
    assert [message.role for message in tree.messages()] == ["user", "assistant"]


@given(
    st.lists(st.sampled_from(["a", "wörld", "\n", "data: x", "\r", "\u2028"]), max_size=8),
    st.sampled_from(["\n\n", "\r\n\r\n"]),
    st.lists(st.integers(1, 9), max_size=40),
)
def test_however_a_stream_is_cut_its_blocks_and_text_are_the_same(texts, end, cuts):
    said = [json.dumps({"choices": [{"delta": {"content": text}}]}) for text in texts]
    content = "".join(f"data: {one}{end}" for one in said).encode()
    blocks, at = Blocks(), 0
    found: list[bytes] = []
    for size in [*cuts, len(content)]:
        found += blocks.feed(content[at : at + size])
        at += size
    answers = Answers(["m"])
    for block in found:
        data = data_of(block)
        assert data is not None
        answers.take(data)
    assert b"".join(found) == content
    assert blocks.rest == b""
    assert len(found) == len(texts)
    assert answers.each[0].text == "".join(texts)
