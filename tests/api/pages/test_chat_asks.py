"""What the page's script may ask for, and how often one address may."""

import json
import re

import pytest

from unspoken.api.pages.chat import asks
from unspoken.api.pages.chat.guests import BURST, MOST_RUNNING, Guests
from unspoken.errors import BadInput, TooMany

WANTED = {
    "messages": [{"role": "user", "content": "Hi"}],
    "mode": "all",
    "conversation": "conversation-1",
    "prompt": "prompt-01",
    "user": "visitor-1",
    "consent": "2026-11:training",
}


def test_the_upstream_gets_the_chat_and_nothing_about_the_visitor():
    ask = asks.read(WANTED | {"parent": "answer-01", "arm": {"side_by_side": "two"}}, "m-1")
    assert json.loads(ask.asked.body) == {
        "messages": WANTED["messages"],
        "model": "m-1",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": asks.MOST_TOKENS,
    }
    asked = ask.asked
    assert (asked.user, asked.conversation, asked.prompt) == ("visitor-1", "conversation-1", "prompt-01")
    assert asked.parent == "answer-01"
    assert asked.envelope == {"consent": "2026-11:training", "arm": {"side_by_side": "two"}}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 8_001}]}, "8,000 characters"),
        ({"messages": [{"role": "user", "content": "x" * 1_000_000}]}, "8,000 characters"),
        ({"messages": [{"role": "user", "content": "x"}] * 61}, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "newest message"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role"),
        ({"mode": "everything"}, "mode"),
        ({"user": None}, "needs `conversation`"),
        ({"prompt": "<script>alert(1)</script>"}, "prompt"),
        ({"parent": "no-such-message", "conversation": None}, "needs `conversation`"),
        ({"n": 5}, "n"),
        ({"model": "gpt-5"}, "model"),
        ({"max_tokens": 100_000}, "max_tokens"),
    ],
)
def test_what_the_page_would_never_ask_is_refused_by_name(more, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        asks.read(WANTED | more, "m-1")


def test_an_address_that_asks_too_much_is_told_when_to_come_back():
    guests = Guests()
    leaves = [guests.enter("a") for _ in range(MOST_RUNNING)]
    with pytest.raises(TooMany, match="at once"):
        guests.enter("a")
    guests.enter("b")
    for leave in leaves:
        leave()
    for _ in range(int(BURST) - MOST_RUNNING):
        guests.enter("a")()
    with pytest.raises(TooMany, match=r"goes on in \d s") as refused:
        guests.enter("a")
    assert refused.value.retry_after_s >= 1


def test_an_answer_that_ends_twice_frees_one_place():
    guests = Guests()
    first, *_ = [guests.enter("a") for _ in range(MOST_RUNNING)]
    first()
    first()
    guests.enter("a")
    with pytest.raises(TooMany, match="at once"):
        guests.enter("a")
