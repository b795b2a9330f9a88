"""The kept sibling as pairs whose margin carries the place."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.frames import EPISODES
from unspoken.signals.siblings import ENOUGH_BACK_NAVIGATED, PRIOR_MEAN, position, sibling_pairs


def chain(prompt: str, *kept: bool | None, unseen: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Siblings in the order they were generated; which one was kept."""
    return [
        {
            "message": f"{prompt}{n}",
            "prompt": prompt,
            "siblings": len(kept),
            "last_generated": n == len(kept) - 1,
            "kept": keep,
            "exposed": n not in unseen,
            "evidence": [f"e-{prompt}{n}"],
        }
        for n, keep in enumerate(kept)
    ]


def pairs_of(*chains: list[dict[str, Any]]):
    columns = ("message", "prompt", "siblings", "last_generated", "kept", "exposed", "evidence")
    return sibling_pairs(
        pl.DataFrame([row for rows in chains for row in rows], schema={name: EPISODES[name] for name in columns})
    )


def test_the_kept_sibling_beats_each_other_with_the_place_in_the_margin():
    found, dropped, kappa = pairs_of(chain("p", False, False, True), chain("q", True, False))
    assert kappa.kappa == PRIOR_MEAN
    expected = pl.DataFrame(
        [
            ("p", "p2", "p0", -2.0, 0.5, ["e-p0", "e-p2"]),
            ("p", "p2", "p1", -2.0, 0.5, ["e-p1", "e-p2"]),
            ("q", "q0", "q1", 2.0, 1.0, ["e-q0", "e-q1"]),
        ],
        schema=["prompt", "chosen", "rejected", "margin", "weight", "evidence"],
        orient="row",
    )
    assert_frame_equal(found, expected)
    assert sum(count for _, count in dropped) == 0


def test_two_that_are_both_not_last_have_no_margin():
    found, _, _ = pairs_of(chain("p", True, False, False))
    assert dict(found.select("rejected", "margin").iter_rows()) == {"p1": 0, "p2": 2}


def test_what_makes_no_pair_is_dropped_with_a_reason():
    found, dropped, _ = pairs_of(
        chain("open", None, None), chain("unseen", False, True, unseen=(0,)), chain("only", None)
    )
    assert found.is_empty()
    assert [count for _, count in dropped] == [2, 1, 1]


def test_few_back_navigations_leave_the_place_at_its_prior():
    chains = pl.DataFrame({"k": [2] * 500, "kept_last": [True] * 451 + [False] * 49})
    found = position(chains)
    assert (found.kappa, found.at_prior, found.back_navigated, found.chains) == (PRIOR_MEAN, True, 49, 500)


@pytest.mark.parametrize("planted", [0.5, 1.5, 3.0])
def test_a_planted_place_is_found_again(planted):
    random = np.random.default_rng(11)
    k = random.integers(2, 5, 8000)
    last = random.random(8000) < np.exp(planted) / (np.exp(planted) + k - 1)
    found = position(pl.DataFrame({"k": k, "kept_last": last}))
    assert not found.at_prior
    assert found.kappa == pytest.approx(planted, abs=0.1)


def test_no_chains_leave_the_place_at_its_prior():
    assert position(pl.DataFrame(schema={"k": pl.Int64, "kept_last": pl.Boolean})).kappa == PRIOR_MEAN


def test_where_nobody_saw_the_last_one_the_chain_says_nothing_of_the_place():
    chains = [chain(f"p{n:02}", True, False, False, unseen=(2,)) for n in range(ENOUGH_BACK_NAVIGATED)]
    found, _, kappa = pairs_of(*chains)
    assert (len(found), kappa.chains, kappa.at_prior) == (ENOUGH_BACK_NAVIGATED, 0, True)
    assert set(found["margin"]) == {0.0}


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([None, 0, 1, 2, 3]), st.sets(st.integers(0, 3))), max_size=12)
)
def test_every_sibling_is_paired_or_counted(shapes):
    rows = []
    for number, (size, keep, unseen) in enumerate(shapes):
        kept = [None if keep is None else n == keep for n in range(size)]
        rows.append(chain(f"p{number:02}", *kept, unseen=tuple(unseen)))
    found, dropped, _ = pairs_of(*rows)
    paired = {*found["chosen"], *found["rejected"]}
    assert len(paired) + sum(count for _, count in dropped) == sum(size for size, _, _ in shapes if size > 1)
    weights = found.group_by("prompt").agg(pl.col("weight").sum())["weight"]
    assert weights.to_list() == pytest.approx([1.0] * len(weights))
