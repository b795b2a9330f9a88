"""Answers to one prompt that different users got, as soft pairs."""

from statistics import NormalDist
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.frames import Schema
from unspoken.pairs.same_prompt import PARTNERS, same_prompt_pairs


def labels(*rows: dict[str, Any]) -> pl.DataFrame:
    plain = {"prompt_key": "k", "split": "train", "mean": 0.0, "sd": 1.0}
    filled = []
    for number, row in enumerate(rows):
        user = row.get("user", f"u{number}")
        own = {"message": f"m{number:02}", "prompt": f"p{number:02}", "user": user, "people": [user] if user else []}
        filled.append(plain | own | {"evidence": [f"e{number}"]} | row)
    schema: Schema = {
        "message": pl.String, "prompt": pl.String, "prompt_key": pl.String, "user": pl.String,
        "people": pl.List(pl.String), "split": pl.String, "mean": pl.Float64, "sd": pl.Float64,
        "evidence": pl.List(pl.String),
    }  # fmt: skip
    return pl.DataFrame(filled, schema=dict(schema))


def test_the_better_one_is_chosen_with_the_chance_that_it_is_better():
    (pair,) = same_prompt_pairs(labels({"mean": -0.4, "sd": 0.6}, {"mean": 0.5, "sd": 0.8})).to_dicts()
    assert pair.pop("p") == pytest.approx(NormalDist().cdf(0.9 / 1.0))
    assert pair == {
        "prompt": "p01", "prompt_key": "k", "chosen": "m01", "rejected": "m00", "user": None, "people": ["u0", "u1"],
        "weight": 1.0, "evidence": ["e0", "e1"], "split": "train",
    }  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [{"user": "u0"}, {"user": None}, {"prompt_key": "other"}, {"split": "test"}, {"split": None}, {"mean": None}],
)
def test_what_may_not_be_compared_is_no_pair(other):
    assert same_prompt_pairs(labels({}, other)).is_empty()


def test_equal_answers_are_a_pair_at_one_half():
    assert same_prompt_pairs(labels({}, {}))["p"].to_list() == [0.5]


@given(st.integers(2, 40), st.integers(1, 40))
def test_each_answer_weighs_one_and_the_pairs_of_a_prompt_are_bounded(answers, users):
    rows = labels(*({"user": f"u{n % users}", "mean": n / 7} for n in range(answers)))
    found = same_prompt_pairs(rows)
    user = dict(rows.select("message", "user").iter_rows())
    assert all(user[a] != user[b] for a, b in found.select("chosen", "rejected").iter_rows())
    assert len(found) == len({frozenset(each) for each in found.select("chosen", "rejected").iter_rows()})
    assert len(found) <= answers * PARTNERS / 2
    assert found["p"].is_between(0.5, 1).all()
    ends = pl.concat([found.select("weight", end="chosen"), found.select("weight", end="rejected")])
    weighs = ends.group_by("end").agg(pl.col("weight").sum())["weight"].to_list()
    assert max(weighs, default=0.0) <= 1 + 1e-9
    if users >= answers:
        assert weighs == pytest.approx([1.0] * answers)


def test_the_order_of_the_labels_decides_nothing():
    rows = labels(*({"mean": n / 5, "user": f"u{n % 7}"} for n in range(30)))
    assert same_prompt_pairs(rows).equals(same_prompt_pairs(rows.sample(fraction=1, shuffle=True, seed=1)))
