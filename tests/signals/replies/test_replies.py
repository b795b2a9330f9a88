"""From turns to classes and log-odds, by rules alone and with an encoder."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.errors import BadInput
from unspoken.events import EXPRESSED
from unspoken.frames import EPISODES, EVENTS, LABELS, REPLIES
from unspoken.signals.replies import labels, replies, turns
from unspoken.signals.replies.evidence import ALREADY_OPEN, BOUNDS, log_odds
from unspoken.signals.replies.rules import ORDER

ASKED = "How do I descale a kettle?"


def test_what_a_reply_says_becomes_a_row_and_what_goes_on_does_not(turned):
    found = replies(turned(("That doesn't work.", ASKED, 40.0), ("I have a steel one.", ASKED, 40.0)))
    assert dict(found.schema) == dict(REPLIES)
    assert found.select("message", "reply", "reply_class", "how").rows() == [("m0", "r0", "complaint", "rule")]
    assert 0.5 < found["p"][0] < 1 and -2 <= found["lo"][0] < 0


def test_no_turns_and_turns_without_text_give_no_rows(turned):
    assert replies(turned()).is_empty()
    found = replies(turned((None, ASKED, 1.0), ("", None, None)))
    assert found.is_empty() and dict(found.schema) == dict(REPLIES)


def test_a_rephrase_counts_within_five_minutes_and_not_after_thanks(turned):
    again = "how do I descale the kettle"
    found = replies(
        turned(
            (again, ASKED, 300.0),
            (again, ASKED, 301.0),
            (again, ASKED, None),
            ("Thanks! How do I descale a kettle?", ASKED, 10.0),
            ("Thank you so much", "Thank you so very much", 10.0),
        )
    )
    assert found.select("message", "reply_class").rows() == [("m0", "rephrase"), ("m3", "thanks"), ("m4", "thanks")]


def test_a_complaint_after_a_complaint_is_discounted_and_one_after_thanks_is_not(turned):
    twice = replies(
        turned(("That is wrong.", ASKED, 9.0), ("Still wrong, not working", "That is wrong.", 9.0), chain=True)
    )
    once = replies(turned(("Thanks!", ASKED, 9.0), ("Still wrong, not working", "Thanks!", 9.0), chain=True))
    assert twice["reply_class"].to_list() == ["complaint", "complaint"]
    assert twice["lo"][1] == pytest.approx(ALREADY_OPEN * once["lo"][1])
    assert twice["p"][1] == once["p"][1]  # it is a complaint all the same


@settings(max_examples=25)
@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=4))
def test_neither_order_nor_repetition_changes_a_bit(order, again):
    texts = ["That is wrong.", "Thanks!", "go on", "No, it's 4, not 5.", "and you?"]
    rows = [
        {"message": f"m{i}", "prompt": f"p{i}", "reply": f"r{i}", "text": texts[i], "before": ASKED, "seconds": 5.0}
        for i in range(5)
    ]
    whole = pl.DataFrame(rows).with_columns(user=pl.lit("u"), event=pl.lit("e"))
    shuffled = whole[[*order, *again]]
    assert_frame_equal(replies(shuffled), replies(whole))
    assert_frame_equal(labels(replies(shuffled), shuffled), labels(replies(whole), whole))


@given(st.sampled_from(ORDER), st.floats(0, 1), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_log_odds_are_bounded_and_have_the_sign_of_their_class(name, p, sensitivity, specificity):
    lo = log_odds(name, p, sensitivity, specificity)
    assert abs(lo) <= min(abs(BOUNDS[name]), 2) + 1e-9
    assert lo * BOUNDS[name] >= 0
    if sensitivity <= 1 - specificity:
        assert lo == 0


def test_thanks_weigh_one_at_most_clarification_nothing_and_every_class_is_an_event_kind():
    assert BOUNDS["thanks"] == 1 and BOUNDS["clarification"] == 0
    assert set(BOUNDS) == set(EXPRESSED) == set(ORDER)
    assert log_odds("complaint", 1, 0.999, 0.999999) == pytest.approx(-2)
    assert log_odds("complaint", 0.5, 0.9, 0.99) > log_odds("complaint", 0.9, 0.9, 0.99)


def test_an_encoder_of_another_width_is_refused(turned):
    with pytest.raises(BadInput, match="Inject the encoder that it was trained with"):
        replies(turned(("That is wrong.", ASKED, 1.0)), lambda texts: np.ones((len(texts), 7)))


def test_the_encoder_is_asked_once_for_each_text_and_for_no_more_than_is_read(turned):
    asked = []

    def encode(texts):
        asked.append(texts)
        return np.ones((len(texts), 384))

    long = "word " * 20_000
    replies(turned(("That is wrong.", ASKED, 1.0), ("That is wrong.", ASKED, 2.0), (long, ASKED, 3.0)), encode)
    assert len(asked) == 1 and len(asked[0]) == len(set(asked[0])) == 3
    assert max(map(len, asked[0])) <= 1200


def test_a_rule_that_the_classifier_contradicts_is_dropped_and_one_of_another_language_stands(turned):
    rows = turned(
        ("Bitte hilf mir, das stimmt nicht.", ASKED, 1.0), ("Ok. What else is there to see in Rome?", ASKED, 1.0)
    )
    assert replies(rows)["message"].to_list() == ["m0", "m1"]
    # Vectors of nothing: only length and question marks are left to the classifier.
    assert replies(rows, lambda texts: np.zeros((len(texts), 384)))["message"].to_list() == ["m0"]


def test_a_label_is_the_sigmoid_of_its_log_odds_with_the_event_as_evidence(turned):
    rows = turned(("That is wrong.", ASKED, 9.0), ("What do you mean?", ASKED, 9.0), ("Thanks!", ASKED, 9.0))
    found = replies(rows)
    made = labels(found, rows)
    assert dict(made.schema) == dict(LABELS)
    assert made["message"].to_list() == ["m0", "m2"]  # to ask what something means says nothing
    assert made["p"].to_list() == pytest.approx([1 / (1 + np.exp(-lo)) for lo in found.filter(pl.col("lo") != 0)["lo"]])
    assert made["evidence"].to_list() == [["e0"], ["e2"]]
    assert [[one["act"] for one in moved] for moved in made["moved"]] == [["complaint"], ["thanks"]]
    assert made["family"].unique().to_list() == ["expressed"] and made["mean"].null_count() == 2


def test_turns_come_from_episodes_the_event_of_the_reply_and_the_texts_of_users():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    episode = {
        "message": "a",
        "user": "u",
        "prompt": "p",
        "reply": "r",
        "latency_s": 2.0,
        "duration_ms": 3000,
        "reply_after_ms": 5000,
    }
    unknown = {"message": "b", "user": "u", "prompt": "p", "reply": "s"}
    said = [
        {"event": f"e{i}", "kind": "message", "message": message, "at": at + timedelta(seconds=i)}
        for i, message in enumerate(["p", "r", "r"])
    ]
    made = turns(
        pl.DataFrame([episode, unknown], schema=dict(EPISODES)),
        pl.DataFrame(said, schema=dict(EVENTS)),
        {"p": "What is a fjord?", "r": "Thanks"},
    )
    assert made.rows() == [("a", "u", "p", "r", "e1", "Thanks", "What is a fjord?", 10.0)]
    assert turns(pl.DataFrame([episode], schema=dict(EPISODES)), pl.DataFrame(schema=dict(EVENTS)), {}).is_empty()


def test_the_text_and_the_length_of_the_answer_change_nothing():
    episode = {"message": "a", "user": "u", "prompt": "p", "reply": "r", "latency_s": 2.0, "reply_after_ms": 5000}
    none = pl.DataFrame(schema=dict(EVENTS))
    texts = {"p": "What is a fjord?", "r": "That is wrong."}
    short, long = (
        turns(pl.DataFrame([episode | {"chars": chars}], schema=dict(EPISODES)), none, texts | answer)
        for chars, answer in ((1, {}), (9000, {"a": "Thanks! A fjord is an inlet. " * 300}))
    )
    assert_frame_equal(replies(short), replies(long))
    assert len(replies(long)) == 1
