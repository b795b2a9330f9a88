"""Inferred closes that a late event withdraws, on frames alone."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from unspoken.events import PRESENT
from unspoken.frames import EVENTS
from unspoken.signals.episodes import episodes
from unspoken.signals.episodes.withdrawn import IN_SIGHT

START = datetime(2026, 10, 1, tzinfo=UTC)
GRACE_MS = 1_800_000
MESSAGES = pl.DataFrame(
    {
        "message": ["q", "a"], "conversation": ["c", "c"], "parent": [None, "q"], "role": ["user", "assistant"],
        "user": ["ann", None], "at": [START, START], "finish": [None, None], "chars": [5, 50], "digest": ["1", "2"],
    }
)  # fmt: skip


def event(minute: float, kind: str, user: str | None = "ann", conversation: str = "c", **fields) -> dict[str, object]:
    at = START + timedelta(minutes=minute)
    name = f"{kind}@{minute:g}/{user}/{conversation}"
    known = {"event": name, "kind": kind, "at": at, "conversation": conversation, "user": user, "message": "a"}
    return known | fields


def inferred(minute: float = 10, **fields) -> dict[str, object]:
    return event(minute, "close", **{"cause": "inferred", "phase": "streaming", "silent_ms": GRACE_MS, **fields})


def closed(*events: dict[str, object]) -> str | None:
    frame = pl.DataFrame(list(events), schema=dict(EVENTS))
    return episodes(MESSAGES, frame).row(0, named=True)["closed"]


def test_an_inferred_close_counts_while_nothing_speaks_against_it():
    assert closed(event(10, "hide"), inferred()) == "streaming"
    assert closed(event(10, "heartbeat"), inferred()) == "streaming"


def test_every_act_within_the_silence_withdraws_it_and_none_after():
    for last in ("hide", "heartbeat"):
        for act in PRESENT:
            assert closed(event(10, last), inferred(), event(40, act)) is None
            assert closed(event(10, last), inferred(), event(40.1, act)) == "streaming"
            assert closed(event(9, act), event(10, last), inferred()) == "streaming"


def test_a_page_that_was_hidden_says_nothing_and_one_in_sight_does():
    for sign in IN_SIGHT:
        assert closed(event(10, "hide"), inferred(), event(20, sign)) == "streaming"
        assert closed(event(10, "heartbeat"), inferred(), event(20, sign)) is None


def test_a_close_that_was_seen_takes_the_place_of_the_inferred_one():
    assert closed(event(10, "hide"), inferred(), event(20, "close", cause="tab", phase="reading")) == "reading"


def test_a_close_that_was_seen_is_never_withdrawn():
    assert closed(event(10, "close", cause="tab", phase="reading"), event(20, "return")) == "reading"


def test_a_message_of_the_user_withdraws_and_one_of_the_machine_does_not():
    assert closed(event(10, "hide"), inferred(), event(20, "message", role="user")) is None
    assert closed(event(10, "hide"), inferred(), event(20, "message", role="assistant")) == "streaming"


def test_somebody_else_and_another_conversation_withdraw_nothing():
    assert closed(event(10, "hide"), inferred(), event(20, "vote", user="bob")) == "streaming"
    assert closed(event(10, "hide"), inferred(), event(20, "vote", conversation="d")) == "streaming"
    assert closed(event(10, "hide"), inferred(), event(20, "vote", user=None)) is None


def test_one_that_does_not_say_how_long_it_waited_is_believed():
    assert closed(event(10, "hide"), inferred(silent_ms=None), event(10.1, "return")) == "streaming"


ANY = st.tuples(
    st.integers(0, 80), st.sampled_from((*PRESENT, *IN_SIGHT, "disconnect")), st.sampled_from(("ann", "bob", None))
)


@settings(max_examples=25)
@given(st.lists(ANY, max_size=8), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same(drawn, random):
    events = [*(event(*one) for one in dict.fromkeys(drawn)), event(10, "hide"), inferred()]
    shuffled = [*events, *events[:2]]
    random.shuffle(shuffled)
    assert closed(*shuffled) == closed(*events)
