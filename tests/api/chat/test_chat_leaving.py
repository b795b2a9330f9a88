"""Readers who leave, come back, or stop the answer; servers that end. On real sockets, with exact events."""

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

from unspoken.store import keys, projects
from unspoken.store.database import transaction

from .conftest import noticed, until
from .upstream import DONE, Gate, Reply, chunk, completion, stream

ASK: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": "Hi!"}], "user": "ann", "stream": True}
PATH = "/v1/chat/completions"


def texts(content):
    """(number, text) of each chunk of a resumed stream; the text of [DONE] is None."""
    found = []
    for block in content.decode().strip().split("\n\n"):
        number, _, data = block.partition("\n")
        assert number.startswith("id: ")
        said = data.removeprefix("data: ")
        found.append((int(number[4:]), None if said == "[DONE]" else json.loads(said)["choices"][0]["delta"]))
    return [(number, None if delta is None else delta.get("content")) for number, delta in found]


def posted(key, asked):
    """A chat as bytes."""
    body = json.dumps(asked).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def leave_after(http, chunks, **more):
    """Opens a stream, reads so many chunks of one character each, closes the connection; the answer's id."""
    with http.stream("POST", PATH, json=ASK | more) as answer:
        seen = b""
        for piece in answer.iter_raw():
            seen += piece
            if seen.count(b"\n\n") >= chunks:
                break
        return answer.headers["x-unspoken-message"]


def test_a_reader_who_leaves_is_recorded_with_what_was_sent_and_the_answer_goes_on(server, http, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([*map(chunk, "abc"), gate, *map(chunk, "defg"), chunk(finish="stop"), DONE]))
    message = leave_after(http, 3)
    assert gate.reached.wait(120)
    noticed(server.url)
    gate.opened.set()
    [left] = tree.events("disconnect", 1)
    assert (left.message, left.fields) == (message, {"sent_chars": 3, "total_chars": 7})
    answer = tree.message(message)
    assert (answer.text, answer.finish) == ("abcdefg", "complete")
    assert left.user == tree.message(answer.parent).user
    assert left.conversation == answer.conversation


@pytest.mark.parametrize("named", ["after", "last-event-id"])
def test_who_comes_back_reads_on_from_the_last_chunk_while_it_is_generated(http, upstream, tree, named):
    gate = Gate()
    upstream.replies.append(Reply([*map(chunk, "abc"), gate, *map(chunk, "de"), chunk(finish="stop"), DONE]))
    message = leave_after(http, 2)
    where = {"params": {"after": 2}} if named == "after" else {"headers": {"Last-Event-ID": "2"}}
    with http.stream("GET", f"{PATH}/{message}", **where) as again:
        pieces = again.iter_raw()
        seen = next(pieces)
        assert texts(seen) == [(3, "c")]
        gate.opened.set()
        seen += b"".join(pieces)
    assert texts(seen) == [(3, "c"), (4, "d"), (5, "e"), (6, None), (7, None)]
    assert texts(http.get(f"{PATH}/{message}").content)[0] == (1, "a")
    assert texts(http.get(f"{PATH}/{message}", params={"after": 6}).content) == [(7, None)]
    assert len(tree.events("disconnect", 1)) == 1


@pytest.mark.parametrize("after", [7, 999])
def test_who_has_all_of_an_answer_is_told_its_end_and_nothing_else(http, upstream, tree, after):
    upstream.replies.append(stream("Hel", "lo"))
    message = http.post(PATH, json=ASK).headers["x-unspoken-message"]
    again = http.get(f"{PATH}/{message}", params={"after": after})
    assert (again.status_code, texts(again.content)) == (200, [(4, None)])


def test_who_reads_to_the_end_has_not_left(http, upstream, tree):
    upstream.replies += [stream("all"), completion("whole")]
    leave_after(http, 3)
    with http.stream("POST", PATH, json=ASK) as answer:
        answer.read()
    assert http.get(PATH + "/nobody").status_code == 404
    assert tree.events("disconnect") == []


def test_who_leaves_between_the_last_word_and_done_has_not_left(server, http, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([chunk("all"), chunk(finish="stop"), gate, DONE]))
    message = leave_after(http, 2)
    noticed(server.url)
    gate.opened.set()
    until(lambda: any(each.id == message for each in tree.messages()))
    leave_after(http, 3)  # by the time this one is stored, the other's departure would be
    assert tree.events("disconnect") == []


def test_who_leaves_before_a_whole_answer_comes_is_recorded_and_the_answer_stored(server, key, upstream, tree):
    gate = Gate()
    reply = completion("Hello.")
    upstream.replies.append(Reply([gate, *reply.parts], headers=reply.headers))
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=120) as line:
        line.sendall(posted(key, ASK | {"stream": False}))
        assert gate.reached.wait(120)
    noticed(server.url)
    gate.opened.set()
    [left] = tree.events("disconnect", 1)
    assert left.fields == {"sent_chars": 0, "total_chars": 6}
    assert tree.message(left.message).text == "Hello."


def test_a_slow_reader_who_leaves_after_the_answer_is_stored_is_recorded_too(server, key, upstream, tree):
    upstream.replies.append(Reply([*[chunk("x" * 20_000)] * 2_000, chunk(finish="stop"), DONE]))

    async def read_a_little():
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"), limit=1024)
        writer.write(posted(key, ASK))
        await reader.readexactly(500)
        # The answer is over 16 MB, which ends it; it is stored although hardly anything of it was read.
        await asyncio.to_thread(until, lambda: len(tree.messages()) == 2)
        writer.transport.abort()

    asyncio.run(read_a_little())
    [left] = tree.events("disconnect", 1)
    answer = tree.message(left.message)
    assert 0 < left.fields["sent_chars"] < left.fields["total_chars"]
    assert answer.finish == "error"
    assert len(answer.text) == 1_000_000


def test_a_stopped_answer_keeps_what_was_generated_and_lets_the_upstream_go(http, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Once upon"), gate, chunk(" a time"), DONE]))
    with http.stream("POST", PATH, json=ASK) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == chunk("Once upon")
        message = answer.headers["x-unspoken-message"]
        stopped = http.delete(f"{PATH}/{message}")
        assert stopped.json() == {"messages": [message], "finish": ["stopped"], "chars": [9]}
        assert b"".join(pieces) == DONE
    assert upstream.asked[0].gone.wait(120)
    assert (tree.message(message).text, tree.message(message).finish) == ("Once upon", "stopped")
    assert http.delete(f"{PATH}/{message}").json() == stopped.json()
    assert tree.events("disconnect") == []


def test_another_projects_key_neither_resumes_nor_stops(engine, server, http, upstream, tree):
    with transaction(engine) as session:
        _, key = keys.create(session, projects.create(session, "other").id, "secret")
    gate = Gate()
    upstream.replies.append(Reply([chunk("Mine"), gate, DONE]))
    message = leave_after(http, 1)
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as stranger:
        for method in ("GET", "DELETE"):
            told = [stranger.request(method, f"{PATH}/{each}") for each in (message, "0" * 36)]
            assert [each.status_code for each in told] == [404, 404]
            assert told[0].text.replace(message, "ID") == told[1].text.replace("0" * 36, "ID")
        gate.opened.set()
        tree.events("disconnect", 1)
        assert stranger.get(f"{PATH}/{message}").status_code == 404
    assert b"Mine" in http.get(f"{PATH}/{message}").content


@pytest.mark.parametrize("role", ["write", "research"])
def test_only_a_secret_key_chats_resumes_and_stops(http, key_of, role, upstream):
    headers = {"Authorization": f"Bearer {key_of(role)}"}
    for answer in (
        http.post(PATH, json=ASK, headers=headers),
        http.get(f"{PATH}/m", headers=headers),
        http.delete(f"{PATH}/m", headers=headers),
        http.get("/openai/v1/models", headers=headers),
    ):
        assert answer.status_code == 403
    assert upstream.asked == []


def test_after_a_restart_the_stored_answer_comes_as_one_chunk(engine, serve, key, upstream, tree):
    upstream.replies.append(stream("Hel", "lo"))
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(headers=headers, timeout=120, trust_env=False) as client:
        with serve(engine) as server:
            message = client.post(server.url + PATH, json=ASK).headers["x-unspoken-message"]
        with serve(engine) as server:
            again = client.get(f"{server.url}{PATH}/{message}", params={"after": 1})
            assert client.get(f"{server.url}{PATH}/{tree.message(message).parent}").status_code == 404
    assert again.headers["x-unspoken-whole"] == "true"
    first, done = again.content.strip().split(b"\n\n")
    [choice] = json.loads(first.removeprefix(b"data: "))["choices"]
    assert (choice["delta"]["content"], choice["finish_reason"]) == ("Hello", "stop")
    assert done == b"data: [DONE]"


def test_a_server_that_ends_stores_what_was_generated(engine, serve, key, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Half"), gate, chunk(" done"), DONE]))
    with serve(engine) as server:
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
            message = leave_after(client, 1)
        server.stop()
        answer = tree.message(message)
        assert (answer.text, answer.finish) == ("Half", "unknown")
        [left] = tree.events("disconnect", 1)
        assert left.fields == {"sent_chars": 4, "total_chars": 4}


def test_the_clients_own_close_is_a_disconnect(server, key, upstream, tree):
    gate = Gate()
    upstream.replies.append(Reply([chunk("One"), gate, chunk("Two"), chunk(finish="stop"), DONE]))
    with OpenAI(base_url=f"{server.url}/v1", api_key=key, timeout=120) as client:
        answer = client.chat.completions.create(model="m-1", messages=ASK["messages"], stream=True)
        assert next(iter(answer)).choices[0].delta.content == "One"
        answer.close()
    noticed(server.url)
    gate.opened.set()
    [left] = tree.events("disconnect", 1)
    assert left.fields == {"sent_chars": 3, "total_chars": 6}


def test_each_choice_has_its_own_count(server, http, upstream, tree):
    gate = Gate()
    upstream.replies.append(
        Reply([chunk("aa"), chunk("b", index=1), gate, chunk("cc", index=1), chunk(finish="stop"),
               chunk(finish="stop", index=1), DONE])
    )  # fmt: skip
    messages = leave_after(http, 2, n=2).split(", ")
    noticed(server.url)
    gate.opened.set()
    left = {event.message: event.fields for event in tree.events("disconnect", 2)}
    assert left == {
        messages[0]: {"sent_chars": 2, "total_chars": 2},
        messages[1]: {"sent_chars": 1, "total_chars": 3},
    }


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
def test_what_the_proxy_does_is_counted_and_named(http, key_of, upstream, caplog, base):
    path = f"{base}/chat/completions"
    caplog.set_level("INFO", "unspoken.requests")
    message = http.post(path, json=ASK).headers["x-unspoken-message"]
    http.post(path, json=ASK | {"stream": False})
    http.get(f"{path}/{message}")
    http.delete(f"{path}/{message}")
    metrics = http.get("/metrics", headers={"Authorization": f"Bearer {key_of('admin')}"}).text
    found = {
        (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "process")): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }
    assert found["unspoken_events_stored_total",] == 3  # the same prompt, two answers
    assert found["unspoken_events_repeated_total",] == 1  # the second answer is the first, word for word
    assert found["unspoken_commit_seconds_count",] == 4
    assert found["unspoken_requests_total", path, "200"] == 2
    assert found["unspoken_requests_total", path + "/{message}", "200"] == 2
    assert ("unspoken_requests_total", "(none)", "200") not in found
    assert [line.fields["route"] for line in caplog.records if line.name == "unspoken.requests"][:3] == [
        path, path, path + "/{message}"
    ]  # fmt: skip
