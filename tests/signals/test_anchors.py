"""Answers spoiled on purpose: they test the label model, set one monotone map for all, and teach nothing."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.signals.factor_world import draw

from unspoken.signals.anchors import Anchors, Axis, examine
from unspoken.signals.factor.likelihood import log_odds
from unspoken.signals.factor.model import Factor, fit
from unspoken.signals.factor.terms import GRID, LOG_PRIOR

ORDINARY = draw(3000, seed=8).episodes
PLAIN = fit(ORDINARY)


def spoiled(shift: float, answers: int = 200, axis: str = "cut") -> pl.DataFrame:
    arm = draw(answers, seed=9, shift=shift, users=134, anchor=axis).episodes
    return arm.with_columns(message=pl.lit(f"{axis}-") + pl.col("message"))


def with_arms(*arms: pl.DataFrame) -> Factor:
    return fit(pl.concat([ORDINARY, *arms]))


def seen_through(worths: np.ndarray, sharpness: float, told: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors (n, 25) and log-odds from one normal observation of each worth; `told`: how sharp it is taken to be,
    as a multiple of how sharp it is."""
    random = np.random.default_rng(3)
    seen = worths + random.normal(size=len(worths)) / sharpness
    log = LOG_PRIOR - 0.5 * (told * sharpness) ** 2 * (seen[:, None] - GRID) ** 2
    weights = np.exp(log - log.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    return weights, log_odds(np.stack([weights, np.zeros_like(weights)], 1))


def test_a_worse_arm_is_found_worse_and_a_better_one_fails_the_model():
    model = with_arms(spoiled(-1.2), spoiled(1.2, axis="praised"))
    axes = {axis.axis: axis for axis in model.anchors.axes}
    assert axes["cut"].verdict == "right"
    assert axes["cut"].shift == pytest.approx(-1.2, abs=0.5)
    assert axes["praised"].verdict == "wrong"
    assert model.anchors.failed
    assert (model.anchors.intercept, model.anchors.slope) == (0, 1)
    assert "FAILS its planted anchors on praised" in model.anchors.notes[0]
    assert model.anchors.notes[0] in model.notes


def test_anchors_get_no_label_and_move_no_parameter():
    arm = spoiled(-1.2)
    model = with_arms(arm)
    assert json.dumps([theta.tolist() for theta in model.thetas]) == json.dumps([t.tolist() for t in PLAIN.thetas])
    assert model.loadings == PLAIN.loadings
    assert model.posterior(arm)["p"].null_count() == len(arm)


def test_without_anchors_or_with_too_few_there_is_no_map():
    few = with_arms(spoiled(-1.2, answers=19))
    assert [axis.verdict for axis in few.anchors.axes] == ["cannot tell"]
    assert "Fewer than 20" in few.anchors.notes[0]
    assert PLAIN.anchors == Anchors()
    lo = np.linspace(-5, 5, 11)
    for model in (PLAIN, few):
        np.testing.assert_array_equal(model.anchors.map(lo), lo)


def test_the_map_is_one_for_all_labels_and_keeps_their_order_and_their_mean():
    mapped = with_arms(spoiled(-1.2))
    slope, intercept = mapped.anchors.slope, mapped.anchors.intercept
    assert slope > 0
    assert slope != 1
    before, after = (np.array(m.posterior(ORDINARY)["p"].to_list(), float) for m in (PLAIN, mapped))
    told = np.isfinite(before)
    logits = [np.log(p[told] / (1 - p[told])) for p in (before, after)]
    np.testing.assert_allclose(logits[1], intercept + slope * logits[0], atol=1e-9)
    assert after[told].mean() == pytest.approx(before[told].mean(), abs=1e-3)


@pytest.mark.parametrize(("told", "low", "high"), [(1.0, 0.85, 1.15), (2.0, 0.2, 0.85)])
def test_log_odds_that_boast_are_made_smaller_and_honest_ones_are_left(told, low, high):
    random = np.random.default_rng(4)
    planted, planted_lo = seen_through(random.normal(size=2000) - 0.8, 0.7, told)
    ordinary, ordinary_lo = seen_through(random.normal(size=8000), 0.7, told)
    found = examine(["cut"] * 2000, planted, planted_lo, ordinary, ordinary_lo)
    assert low < found.slope < high


@given(st.floats(-3, 3), st.floats(0.05, 5), st.lists(st.floats(-14, 14), min_size=2, max_size=20))
def test_a_map_keeps_the_order_of_any_log_odds(intercept, slope, lo):
    mapped = Anchors([Axis("cut", 30, -1.0, 0.2, "right")], intercept, slope).map(np.sort(lo))
    assert (np.diff(mapped) >= 0).all()
