"""The official client, unchanged: whole answers, streams, tools, several choices, errors."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, APIStatusError, AsyncOpenAI, AuthenticationError, RateLimitError

from .upstream import DONE, Reply, chunk, completion, stream

DOC = Path(__file__).parents[3] / "docs" / "proxy.md"
ASK: Any = [{"role": "user", "content": "Hi!"}]


def test_a_whole_answer_is_passed_on_and_stored(openai, upstream, tree):
    raw = openai.chat.completions.with_raw_response.create(model="m-1", messages=ASK, user="ann", temperature=0.5)
    said = raw.parse()
    assert said.choices[0].message.content == "Hello there."
    assert said.usage.completion_tokens == 7
    prompt, answer = tree.messages()
    assert (prompt.role, prompt.text, prompt.parent) == ("user", "Hi!", None)
    assert prompt.user is not None
    assert (answer.role, answer.text, answer.parent) == ("assistant", "Hello there.", prompt.id)
    assert (answer.model, answer.finish) == ("m-1", "complete")
    assert raw.headers["x-unspoken-message"] == answer.id
    assert raw.headers["x-unspoken-conversation"] == answer.conversation == prompt.conversation
    [asked] = upstream.asked
    assert asked.headers["authorization"] == "Bearer sk-upstream"
    assert asked.body == {"model": "m-1", "messages": ASK, "user": "ann", "temperature": 0.5}
    [told] = [event for event in tree.events("message") if event.message == answer.id]
    assert told.fields["tokens"] == 7
    assert told.fields["duration_ms"] >= 0


def test_a_stream_is_passed_on_unchanged_and_stored_before_its_end(openai, upstream, tree):
    upstream.replies.append(stream("Hel", "lo, ", "wörld"))
    with openai.chat.completions.with_streaming_response.create(model="m-1", messages=ASK, stream=True) as raw:
        content = raw.read()
        message = raw.headers["x-unspoken-message"]
    assert content == b"".join([chunk("Hel"), chunk("lo, "), chunk("wörld"), chunk(finish="stop"), DONE])
    answer = tree.message(message)
    assert (answer.text, answer.finish) == ("Hello, wörld", "complete")
    [told] = [event for event in tree.events("message") if event.message == message]
    assert 0 <= told.fields["ttft_ms"] <= told.fields["duration_ms"]


def test_the_async_client_streams(server, key, upstream, tree):
    async def chat():
        async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key=key, timeout=120) as client:
            answer: Any = await client.chat.completions.create(model="m-1", messages=ASK, stream=True)
            return [part.choices[0].delta.content async for part in answer]

    assert asyncio.run(chat()) == ["Hello", " there.", None]
    assert [message.text for message in tree.messages()] == ["Hi!", "Hello there."]


def test_several_choices_are_siblings(openai, upstream, tree):
    upstream.replies += [
        completion("one", "two", "three"),
        Reply([chunk("u", index=1), chunk("z"), chunk(finish="stop"), chunk(finish="length", index=1), DONE]),
    ]
    openai.chat.completions.create(model="m-1", messages=ASK, n=3, user="ann")
    for _ in openai.chat.completions.create(model="m-1", messages=ASK, n=2, user="ann", stream=True):
        pass
    prompt = next(message for message in tree.messages() if message.role == "user")
    answers = [message for message in tree.messages() if message.role == "assistant"]
    assert {message.parent for message in answers} == {prompt.id}
    assert {(message.text, message.finish) for message in answers} == {
        ("one", "complete"), ("two", "complete"), ("three", "complete"), ("z", "complete"), ("u", "length")
    }  # fmt: skip


def test_calls_of_tools_are_noted_by_name_and_their_results_are_messages(openai, upstream, tree):
    def call(**function):
        return {"tool_calls": [{"index": 0, "id": "t1", "type": "function", "function": function}]}

    upstream.replies += [
        Reply([chunk(delta=call(name="weather", arguments="")), chunk(delta=call(arguments='{"in":')),
               chunk(delta=call(arguments='"Rome"}')), chunk(finish="tool_calls"), DONE]),
        stream("Sunny."),
    ]  # fmt: skip
    for _ in openai.chat.completions.create(model="m-1", messages=ASK, user="ann", stream=True):
        pass
    function = {"name": "weather", "arguments": '{"in":"Rome"}'}
    calls = [{"id": "t1", "type": "function", "function": function}]
    later = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "t1", "content": "24 degrees"},
    ]
    with openai.chat.completions.with_streaming_response.create(
        model="m-1", messages=later, user="ann", stream=True
    ) as raw:
        raw.read()
    assert tree.path(raw.headers["x-unspoken-message"]) == [
        ("user", "Hi!"), ("assistant", ""), ("tool", "24 degrees"), ("assistant", "Sunny.")
    ]  # fmt: skip
    called = [event for event in tree.events("message") if event.fields.get("meta", {}).get("tool_calls")]
    assert [event.fields["meta"] for event in called] == [{"tool_calls": ["weather"]}]


def test_images_are_noted_and_not_stored_and_logprobs_pass(openai, upstream, tree):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,SECRETPIXELS"}},
    ]
    upstream.replies.append(completion("A cat.", logprobs={"content": []}))
    said = openai.chat.completions.create(
        model="m-1", messages=[{"role": "user", "content": parts}], logprobs=True, extra_body={"top_k": 3}
    )
    assert said.choices[0].logprobs.content == []
    assert upstream.asked[0].body["top_k"] == 3
    assert "SECRETPIXELS" in str(upstream.asked[0].body)
    assert [message.text for message in tree.messages()] == ["What is this?\n[image]", "A cat."]


def test_an_error_of_the_upstream_arrives_as_it_is(openai, upstream, tree):
    body = b'{"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}'
    headers = {"content-type": "application/json", "retry-after": "7", "x-request-id": "r-1"}
    upstream.replies.append(Reply([body], 429, headers))
    with pytest.raises(RateLimitError, match="Slow down") as raised:
        openai.chat.completions.create(model="m-1", messages=ASK, stream=True)
    assert raised.value.code == "rate_limit_exceeded"
    assert raised.value.response.headers["retry-after"] == "7"
    assert raised.value.request_id == "r-1"
    assert [message.role for message in tree.messages()] == ["user"]


def test_an_upstream_that_dies_in_mid_stream_is_an_error_and_what_it_said_is_stored(openai, upstream, tree):
    upstream.replies.append(Reply([chunk("Half a sen"), None]))
    with pytest.raises(APIError, match="ended in mid-answer"):
        for _ in openai.chat.completions.create(model="m-1", messages=ASK, stream=True):
            pass
    answer = tree.messages()[-1]
    assert (answer.text, answer.finish) == ("Half a sen", "error")


def test_an_unknown_key_is_refused_before_the_upstream_is_asked(openai, upstream):
    with pytest.raises(AuthenticationError):
        openai.with_options(api_key="uns_secret_wrong").chat.completions.create(model="m-1", messages=ASK)
    assert upstream.asked == []


def test_models_are_the_upstreams_under_their_own_base_url(server, key, openai, upstream):
    upstream.replies.append(
        Reply([b'{"object": "list", "data": [{"id": "m-1", "object": "model", "created": 1, "owned_by": "x"}]}'],
              headers={"content-type": "application/json"})
    )  # fmt: skip
    compatible = openai.with_options(base_url=f"{server.url}/openai/v1")
    assert [model.id for model in compatible.models.list()] == ["m-1"]
    assert upstream.asked[0].path == "/v1/models"
    said = compatible.chat.completions.create(model="m-1", messages=ASK)
    assert said.choices[0].message.content == "Hello there."


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
def test_our_own_errors_are_sentences_in_the_official_client(server, openai, key_of, upstream, base):
    def said(client, messages=ASK, **more):
        with pytest.raises(APIStatusError) as raised:
            client.chat.completions.create(model="m-1", messages=messages, **more)
        return raised.value

    client = openai.with_options(base_url=f"{server.url}{base}")
    for error, status, kind, words in (
        (said(client.with_options(api_key="uns_secret_wrong")), 401, "not-signed-in", "key"),
        (said(client.with_options(api_key=key_of("write"))), 403, "not-allowed", "use a secret key"),
        (said(client, metadata={"unspoken_parent": "nobody"}), 404, "not-found", "name its conversation"),
        (said(client, [{"role": "usr", "content": "Hi!"}]), 422, "bad-input", "`usr`"),
    ):
        assert (error.status_code, error.type) == (status, kind)
        assert words in str(error)
        assert words in error.body["message"]
        assert error.response.json()["detail"] == error.body["message"]
    upstream.stop()
    gone = said(client)
    assert (gone.status_code, gone.type) == (503, "unavailable")
    assert "did not answer" in str(gone)


def test_an_address_that_is_not_there_is_a_sentence_in_the_official_client(server, openai):
    with pytest.raises(APIStatusError, match="POST /openai/v1/embeddings: Not Found") as raised:
        openai.with_options(base_url=f"{server.url}/openai/v1").embeddings.create(model="m-1", input="Hi!")
    assert raised.value.type == "not-found"


@pytest.fixture
def pasted(server, key):
    """Runs the first Python of docs/proxy.md as it stands there, but for the server's address and the key."""

    def pasted() -> dict[str, Any]:
        [code] = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
        names: dict[str, Any] = {}
        exec(code.replace("http://localhost:8000", server.url).replace("uns_secret_…", key), names)
        names["client"].close()
        return names

    return pasted


def test_the_example_of_the_description_runs_when_it_is_pasted(pasted, upstream, tree, capsys):
    ids = pasted()["ids"]
    assert capsys.readouterr().out.startswith("Hello there.")
    assert tree.message(ids["message"]).conversation == ids["conversation"]
    assert ids["token"].startswith("unt_")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_vote_of_the_description_arrives(server, pasted, upstream, tree):
    ids = pasted()["ids"]
    [code] = re.findall(r"```js\n(.*?)```", DOC.read_text(), re.DOTALL)
    script = f"const ids = {json.dumps(ids)};\n" + code.replace("http://localhost:8000", server.url)
    subprocess.run(["node", "--input-type=module", "-e", script], check=True, timeout=120)
    assert [event.message for event in tree.events("vote", 1)] == [ids["message"]]
