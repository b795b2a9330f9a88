"""The proxy against requests made to break it, and what one request may leave behind for the next."""

import gzip
import json

import httpx
import pytest
from sqlalchemy import update

from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.tables import Key

from .conftest import until
from .upstream import DONE, Gate, Reply, chunk, stream

PATH = "/v1/chat/completions"
ASK = {"model": "m-1", "messages": [{"role": "user", "content": "Hi!"}], "stream": True}


def test_what_is_left_of_a_stopped_answer_reaches_nobody_else(http, upstream):
    gate = Gate()
    upstream.replies += [stream("one"), Reply([chunk("secret"), gate, chunk(" of another"), DONE]), stream("three")]
    assert http.post(PATH, json=ASK).status_code == 200  # the connection to the upstream has been used, and is kept
    with http.stream("POST", PATH, json=ASK | {"user": "ann"}) as answer:
        next(answer.iter_raw())
        http.delete(f"{PATH}/{answer.headers['x-unspoken-message']}")
    assert upstream.asked[1].gone.wait(120), "its connection was kept, with half an answer in it"
    gate.opened.set()
    after = http.post(PATH, json=ASK)
    assert (after.status_code, b"three" in after.content, b"another" in after.content) == (200, True, False)


def test_what_is_left_of_a_refused_request_reaches_nobody_else(http, upstream):
    gate = Gate()
    upstream.replies += [stream("one"), Reply([chunk("two"), gate, DONE]), stream("three")]
    assert http.post(PATH, json=ASK).status_code == 200
    refused = http.post(PATH, json=ASK | {"metadata": {"unspoken_device": "fridge"}})
    assert refused.status_code == 422
    until(lambda: len(upstream.asked) == 2)
    assert upstream.asked[1].gone.wait(120)
    assert b"three" in http.post(PATH, json=ASK).content


@pytest.mark.parametrize("conversation", ["a\r\nSet-Cookie: x=1", "a\x01\x7fb", "\n", "é\u0085😀"])
def test_a_conversation_of_any_characters_has_an_answer_and_adds_no_header(http, upstream, tree, conversation):
    answer = http.post(PATH, json=ASK | {"metadata": {"unspoken_conversation": conversation}})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "x-unspoken-conversation" in answer.headers
    assert tree.message(answer.headers["x-unspoken-message"]).conversation == conversation


@pytest.mark.parametrize("arm", ["[" * 100_000, '{"a":' * 5_000 + "1" + "}" * 5_000])
def test_an_arm_without_a_bottom_is_refused_with_a_sentence(http, upstream, arm):
    assert http.post(PATH, json=ASK | {"metadata": {"unspoken_arm": arm}}).status_code == 422


def test_a_revoked_key_gets_nothing_when_its_prompt_is_known_either(engine, http, upstream):
    ask = ASK | {"user": "ann"}
    first = http.post(PATH, json=ask)
    with transaction(engine) as session:
        session.execute(update(Key).values(revoked_at=now()))
    assert http.post(PATH, json=ask).status_code == 401
    message = first.headers["x-unspoken-message"]
    assert http.get(f"{PATH}/{message}").status_code == 401


def test_a_revoked_key_neither_resumes_nor_stops_nor_lists_models_from_then_on(engine, http, upstream):
    message = http.post(PATH, json=ASK).headers["x-unspoken-message"]
    with transaction(engine) as session:
        session.execute(update(Key).values(revoked_at=now()))
    for method, path in (("GET", f"{PATH}/{message}"), ("DELETE", f"{PATH}/{message}"), ("GET", "/openai/v1/models")):
        answer = http.request(method, path)
        assert answer.status_code == 401, (method, path)


def test_an_upstream_that_changes_the_protocol_is_a_503(http, upstream, caplog):
    upstream.replies.append(Reply([b"{}"], 101, {"connection": "upgrade", "upgrade": "websocket"}))
    answer = http.post(PATH, json=ASK)
    assert (answer.status_code, "did not answer" in answer.json()["detail"]) == (503, True)
    assert "Fatal error" not in caplog.text


def test_an_upstream_that_packs_its_answer_says_so(http, upstream):
    packed = gzip.compress(b'{"choices": [{"message": {"content": "zipped"}}]}')
    upstream.replies.append(Reply([packed], headers={"content-type": "application/json", "content-encoding": "gzip"}))
    assert http.post(PATH, json=ASK).json()["choices"][0]["message"]["content"] == "zipped"


def test_our_keys_stay_here_and_the_upstreams_there(http, key, upstream):
    said = {"x-unspoken-user": "ann", "x-openwebui-user-email": "ann@a.example", "cookie": "a=b"}
    answer = http.post(PATH, json=ASK, headers=said)
    went = json.dumps([upstream.asked[0].headers, upstream.asked[0].body])
    assert key not in went
    assert "ann" not in went
    assert "cookie" not in went
    assert "sk-upstream" not in answer.text + str(answer.headers)
    assert isinstance(answer, httpx.Response)
