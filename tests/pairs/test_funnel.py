"""The account of what was kept and what was dropped."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.pairs.funnel import Funnel


def test_a_step_that_does_not_add_up_is_refused():
    funnel = Funnel()
    with pytest.raises(ValueError, match="'votes' does not add up: 10 entered, 7 kept"):
        funnel.step("votes", 10, 7, [("nobody voted", 2)])
    assert funnel.steps == []


def test_reasons_that_dropped_nothing_are_left_out():
    funnel = Funnel()
    funnel.step("votes", 3, 2, [("nobody voted", 1), ("too late", 0)])
    assert funnel.steps == [
        {"step": "votes", "entered": 3, "kept": 2, "dropped": [{"reason": "nobody voted", "count": 1}]}
    ]


def test_each_row_is_counted_under_the_first_reason_that_holds():
    funnel = Funnel()
    frame = pl.DataFrame({"a": [1, 2, 3, None]})
    kept = funnel.keep("rows", frame, [("at least two", pl.col("a") >= 2), ("at least three", pl.col("a") >= 3)])
    assert kept["a"].to_list() == [1, None]  # unknown is no reason
    assert funnel.steps[0]["dropped"] == [{"reason": "at least two", "count": 2}]


@given(st.lists(st.none() | st.integers(-5, 5)), st.lists(st.integers(-5, 5), max_size=4))
def test_whatever_is_filtered_adds_up(values, limits):
    funnel = Funnel()
    frame = pl.DataFrame({"a": values}, schema={"a": pl.Int64})
    kept = funnel.keep("rows", frame, [(f"above {limit}", pl.col("a") > limit) for limit in limits])
    step = funnel.steps[0]
    assert step["entered"] == len(values)
    assert step["kept"] == len(kept)
    assert step["entered"] == step["kept"] + sum(drop["count"] for drop in step["dropped"])
    assert all(drop["reason"] and drop["count"] > 0 for drop in step["dropped"])
