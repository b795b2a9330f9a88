"""The small local model as a server: it answers as OpenAI's clients expect, stops, and says when it is busy."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from openai import APIStatusError, OpenAI

from unspoken.errors import BadInput
from unspoken.upstream import NAME, installed
from unspoken.upstream.model import MOST_CHARS, SLOTS, Model, Say
from unspoken.upstream.server import create_app


class Slow(Model):
    """A model that writes until it is told that nobody listens, or to end."""

    def __init__(self) -> None:
        super().__init__()
        self.writing = self.most = 0
        self.over = threading.Event()
        self._count = threading.Lock()

    def answer(self, asked: dict[str, Any], say: Say) -> None:
        """A word every few milliseconds."""
        with self._count:
            self.writing += 1
            self.most = max(self.most, self.writing)
        try:
            part = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
            while not say({"id": "c", "object": "chat.completion.chunk", "choices": [part]}) and not self.over.wait(
                0.01
            ):
                pass
        finally:
            with self._count:
                self.writing -= 1


@contextmanager
def serving(model: Model, *, waiting: int = 8) -> Iterator[OpenAI]:
    """A client of a server before that model."""
    config = uvicorn.Config(create_app(model, "k", waiting=waiting), log_config=None, ws="none", lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{door.getsockname()[1]}/v1"
        with OpenAI(base_url=url, api_key="k", max_retries=0, timeout=240) as client:
            yield client
        server.should_exit = True
        thread.join(240)


@pytest.fixture(scope="module")
def real() -> Iterator[OpenAI]:
    """The real model; its packages are in the locks."""
    assert installed()
    with serving(Model()) as client:
        yield client


def said(*turns: str) -> list[Any]:
    return [{"role": "assistant" if i % 2 else "user", "content": turn} for i, turn in enumerate(turns)]


def until(holds: Any) -> None:
    end = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_real_model_streams_words_an_end_and_its_tokens(real):
    asked = said("Say hello.")
    chunks = list(
        real.chat.completions.create(
            model=NAME, messages=asked, stream=True, max_tokens=20, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).strip()
    assert any(chunk.choices and chunk.choices[0].finish_reason in ("stop", "length") for chunk in chunks)
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 0
    assert {chunk.model for chunk in chunks} == {NAME}


def test_the_real_model_answers_in_one_piece_and_no_longer_than_asked(real):
    answer = real.chat.completions.create(model=NAME, messages=said("Count to a hundred."), max_tokens=5)
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "length"
    assert [model.id for model in real.models.list()] == [NAME]


def test_of_a_chat_that_is_too_long_the_oldest_turns_are_left_out(real):
    long = "word " * (MOST_CHARS // 6)
    answer = real.chat.completions.create(model=NAME, messages=said(long, "ok", "Say hello."), max_tokens=3)
    assert answer.choices[0].finish_reason in ("stop", "length")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": said("word " * 2_300)}, "longer than the small model"),
        ({"messages": said("x" * 1_000_000)}, "longer than the small model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text alone"),
        ({"messages": said("Hi"), "n": 2}, "one answer to a request"),
        ({"messages": said("Hi"), "max_tokens": -1}, "max_tokens"),
    ],
)
def test_what_it_cannot_read_is_said_in_a_sentence(real, body, words):
    with pytest.raises(APIStatusError) as refused:
        real.chat.completions.create(model=NAME, **body)
    assert refused.value.status_code == 422 and words in str(refused.value.body)


def test_without_the_key_of_its_server_it_does_nothing(real):
    with pytest.raises(APIStatusError) as refused:
        real.with_options(api_key="other").chat.completions.create(model=NAME, messages=said("Hi"))
    assert refused.value.status_code == 401


def test_who_hangs_up_ends_the_writing_and_frees_the_slot():
    model = Slow()
    with serving(model) as client:
        for _ in range(SLOTS + 1):
            with client.chat.completions.create(model=NAME, messages=said("Hi"), stream=True) as stream:
                next(iter(stream))
        until(lambda: model.writing == 0)


def test_as_many_as_there_are_slots_write_some_wait_and_the_rest_is_told_that_it_is_busy():
    model, statuses = Slow(), []

    def ask(client: OpenAI) -> None:
        try:
            for _ in client.chat.completions.create(model=NAME, messages=said("Hi"), stream=True):
                pass
            statuses.append(200)
        except APIStatusError as error:
            statuses.append(error.status_code)
            assert "busy" in str(error.body) and int(error.response.headers["retry-after"]) > 0

    with serving(model, waiting=1) as client:
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(SLOTS + 3)]
        for thread in threads:
            thread.start()
        until(lambda: statuses == [503, 503])
        model.over.set()
        for thread in threads:
            thread.join(240)
    assert sorted(statuses) == [200] * (SLOTS + 1) + [503, 503]
    assert model.most == SLOTS


def test_a_model_that_fails_says_so_before_the_stream_begins():
    class Failing(Model):
        def answer(self, asked: dict[str, Any], say: Say) -> None:
            raise BadInput("It does not fit.")

    with serving(Failing()) as client, pytest.raises(APIStatusError) as refused:
        client.chat.completions.create(model=NAME, messages=said("Hi"), stream=True)
    assert refused.value.status_code == 422
