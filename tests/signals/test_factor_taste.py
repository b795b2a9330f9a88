"""People who like long answers: the fit tells their taste from reading time, and no label sees it."""

import numpy as np
import polars as pl
import pytest
from tests.signals.factor_world import draw

from unspoken.signals.factor.model import Factor, fit

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


def test_reading_time_grows_with_length_as_planted_not_as_the_worth_does(model):
    assert model.design is not None
    pace = model.design.paces["dwell"]
    theta = model.thetas[model.design.signals.index("dwell")]
    assert pace.slopes[0] > 1.1  # what the times show: planted are 1 for reading, and the worth's share
    assert pace.slopes[0] + theta[-1] * pace.sd / model.design.length[1] == pytest.approx(1, abs=0.06)


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
