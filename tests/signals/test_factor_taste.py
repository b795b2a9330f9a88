"""People who like long answers: the fit tells their taste from reading time, and no label sees it."""

import numpy as np
import polars as pl
import pytest
from tests.signals.factor_world import draw

from unspoken.signals.factor.log import log_of
from unspoken.signals.factor.model import Factor, fit
from unspoken.signals.factor.taste import lengths

TASTE = 0.6
WORLD = draw(8000, seed=4, taste=TASTE)
DWELL = 0.4 / (1 + 0.4**2) ** 0.5  # of times in their own sd


@pytest.fixture(scope="module")
def model() -> Factor:
    return fit(WORLD.episodes)


@pytest.mark.parametrize(("signal", "planted"), [("stop", -0.8), ("regenerate", -1.0), ("copy", 0.9), ("dwell", DWELL)])
def test_a_taste_for_length_leaves_the_planted_slopes_where_they_are(model, signal, planted):
    (found,) = (row for row in model.loadings if (row.signal, row.of) == (signal, "slope"))
    assert abs(found.value - planted) < 3 * found.se


@pytest.mark.parametrize("taste", [0.0, TASTE])
def test_to_be_short_because_it_was_stopped_is_no_taste_for_long_answers(taste):
    """Where a log keeps of what was stopped or left only what had come."""
    model = fit(draw(8000, seed=5, taste=taste, cut=True).episodes)
    for signal, planted in (("stop", -0.8), ("copy", 0.9), ("dwell", DWELL)):
        (found,) = (row for row in model.loadings if (row.signal, row.of) == (signal, "slope"))
        assert abs(found.value - planted) < 3 * found.se, signal


def test_reading_time_grows_with_length_as_planted_not_as_the_worth_does(model):
    assert model.design is not None
    pace = model.design.paces["dwell"]
    (_, _, _, _, by_length, _) = model.thetas[model.design.signals.index("dwell")]
    assert pace.slopes[0] > 1.1  # what the times show: planted are 1 for reading, and the worth's share
    assert pace.slopes[0] + by_length * pace.sd / model.design.length[1] == pytest.approx(1, abs=0.06)


def test_labels_are_as_good_where_people_like_length_as_where_they_do_not(model):
    def error(factor: Factor, world) -> float:
        found = factor.posterior(world.episodes)
        known = found["p"].is_not_null().to_numpy()
        return float(np.mean((found["p"].to_numpy()[known] - (world.worth > 0)[known]) ** 2))

    other = draw(8000, seed=4)
    assert error(model, WORLD) < error(fit(other.episodes), other) + 0.005


def test_an_answer_is_not_better_for_being_long(model):
    whole = WORLD.episodes.filter(~pl.col("stopped") & pl.col("closed").is_null() & ~pl.col("regenerated")).head(50)
    timeless = whole.with_columns(visible_ms=pl.lit(None, pl.Int64), duration_ms=pl.lit(None, pl.Int64))
    short, long = (model.posterior(timeless.with_columns(chars=pl.lit(chars, pl.Int64))) for chars in (100, 9000))
    assert short["p"].is_not_null().all()
    assert short["p"].equals(long["p"])


@pytest.mark.parametrize("cut", [False, True])
def test_the_whole_log_says_whether_what_was_stopped_is_as_long_as_it_would_have_become(cut):
    log = log_of(draw(3000, seed=6, cut=cut).episodes)
    assert (log.stopped_short, log.left_short) == (cut, cut)


def test_lengths_are_those_of_answers_as_they_would_have_become():
    random = np.random.default_rng(7)
    log_length, given_up = random.normal(6.5, 0.5, 20_000), np.log(random.exponential(2500, 20_000))
    short = given_up < log_length
    found = lengths(np.where(short, given_up, log_length), short)
    assert found == pytest.approx((6.5, 0.5), abs=0.02)
    assert log_length[~short].mean() < 6.45


def test_an_answer_of_unknown_length_leaves_the_fit_as_it_is(model):
    one = pl.int_range(pl.len()) == 5
    found = fit(WORLD.episodes.with_columns(chars=pl.when(~one).then("chars")))
    assert found.rule == model.rule == "factor/1"
    assert found.design is not None
    assert found.design.length == pytest.approx(model.design.length, abs=0.01)
