"""Who is held out: decided by the person alone."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.pairs.split import place, prompt_sides, side, with_split

PEOPLE = [f"person {n}" for n in range(10_000)]


def test_a_place_is_for_ever():
    # Whoever was held out yesterday is held out tomorrow: these two numbers may not change.
    assert place("anna", "unspoken/1") == pytest.approx(0.3178806729953264)
    assert place("bert", "unspoken/1") == pytest.approx(0.2467514344292501)


def test_places_are_spread_evenly():
    places = np.array([place(person, "salt") for person in PEOPLE])
    assert places.min() >= 0
    assert places.max() < 1
    counts = np.histogram(places, 20, (0, 1))[0]
    assert ((counts - 500) ** 2 / 500).sum() < 43.8  # χ² with 19 degrees of freedom, 1 in 1,000


def test_another_salt_is_another_split():
    both = np.corrcoef([[place(person, salt) for person in PEOPLE] for salt in ("a", "b")])
    assert abs(both[0, 1]) < 0.05


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_share_held_out_is_the_share_asked_for(share):
    sides = [side([person], "salt", share) for person in PEOPLE]
    assert sides.count("test") / len(sides) == pytest.approx(share, abs=0.02)
    assert sides.count(None) == 0


@given(st.lists(st.text(max_size=3), min_size=1, max_size=4), st.floats(0, 1))
def test_a_record_of_people_on_both_sides_has_none(people, share):
    alone = {side([person], "salt", share) for person in people}
    assert side(people, "salt", share) == (alone.pop() if len(alone) == 1 else None)


def test_a_record_of_nobody_trains():
    assert side([], "salt", 1.0) == "train"


def test_both_speakers_of_a_chat_stand_on_one_side():
    left = next(person for person in PEOPLE if side([person], "s", 0.5) == "test")
    right = next(person for person in PEOPLE if side([person], "s", 0.5) == "train")
    records = pl.DataFrame({"people": [[left], [right], [left, right], [], None]})
    expected = records.with_columns(split=pl.Series(["test", "train", None, "train", "train"]))
    assert_frame_equal(with_split(records, "s", 0.5), expected)


def asked(*rows: tuple[str, str]) -> pl.DataFrame:
    """Who was answered to what, by the wanted side of the person."""
    person = {wanted: next(p for p in PEOPLE if side([p], "s", 0.3) == wanted) for wanted in ("test", "train")}
    return pl.DataFrame(
        [(key, [person[wanted]]) for key, wanted in rows], schema=["prompt_key", "people"], orient="row"
    )


def test_a_prompt_asked_from_one_side_stands_there():
    found = prompt_sides(asked(("mine", "test"), ("mine", "test"), ("yours", "train")), "s", 0.3)
    assert dict(found.iter_rows()) == {"mine": "test", "yours": "train"}


def test_a_prompt_asked_from_both_sides_stands_on_the_side_of_its_own_hash():
    keys = [f"key {n}" for n in range(2000)]
    found = prompt_sides(asked(*((key, wanted) for key in keys for wanted in ("test", "train"))), "s", 0.3)
    assert (found["prompt_side"] == "test").mean() == pytest.approx(0.3, abs=0.03)
    again = prompt_sides(asked(*((key, wanted) for key in keys[::-1] for wanted in ("train", "test"))), "s", 0.3)
    assert_frame_equal(found, again, check_row_order=False)


def test_people_on_both_sides_decide_nothing_of_a_prompt():
    both = pl.DataFrame({"prompt_key": ["k", "k"], "people": [PEOPLE[:50], [PEOPLE[0]]]})
    assert dict(prompt_sides(both, "s", 0.3).iter_rows()) == {"k": side([PEOPLE[0]], "s", 0.3)}
