"""The search for the parameters: its gradient is the likelihood's own, and it goes up."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from tests.signals.factor_world import draw

from unspoken.signals.factor.bends import freed
from unspoken.signals.factor.design import design
from unspoken.signals.factor.likelihood import Likelihood, maximise
from unspoken.signals.factor.log import log_of
from unspoken.signals.factor.observed import REVEALED_COLUMNS, observed
from unspoken.signals.factor.taste import Taste
from unspoken.signals.factor.terms import Floats

WORLD = draw(2500, seed=6, close_by_topic=(-0.8, 0.6), lost=0.1)
IDLE_MS = pl.when(pl.int_range(pl.len()) % 10 == 0).then(200_000).otherwise(0)  # of some the dwell is censored
EPISODES = WORLD.episodes.with_columns(idle_ms=IDLE_MS, visible_ms=pl.col("visible_ms") + IDLE_MS)


def likelihood_of(rows: int, loss: float) -> Likelihood:
    """Of the first rows: with a loss, acts of those with a gap may have been lost."""
    seen = observed(EPISODES.select(REVEALED_COLUMNS), log_of(EPISODES))
    planned = design(seen, loss, log_of(EPISODES))
    return Likelihood.of([*planned.terms(), Taste()], planned.rows(seen.head(rows)))


def density(likelihood: Likelihood, thetas: Sequence[Floats]) -> float:
    """Log-likelihood and log prior, but for a constant."""
    priors = [term.prior() for term in likelihood.terms]
    z = np.concatenate([(theta - prior.mean) / prior.sd for theta, prior in zip(thetas, priors, strict=True)])
    return likelihood.value(thetas)[0] - 0.5 * float(z @ z)


@pytest.mark.parametrize("loss", [0.0, 0.4])
def test_the_gradient_is_that_of_the_likelihood(loss):
    likelihood = freed(likelihood_of(250, loss))  # with a bend of every time
    random = np.random.default_rng(1)
    starts = [term.prior().start for term in likelihood.terms]
    thetas = [start + 0.2 * random.normal(size=len(start)) for start in starts]
    gradients = likelihood.value(thetas)[1]
    for n, theta in enumerate(thetas):
        for k in range(len(theta)):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [part.copy() for part in thetas]
                moved[n][k] += step
                ends.append(likelihood.value(moved)[0])
            assert gradients[n][k] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_every_search_goes_up_from_its_start_to_one_height(seed):
    likelihood = likelihood_of(2500, 0.0)
    starts = [term.prior().start for term in likelihood.terms]
    if seed is not None:
        random = np.random.default_rng(seed)
        starts = [
            np.minimum(start + 0.3 * random.normal(size=len(start)), term.prior().highest)
            for start, term in zip(starts, likelihood.terms, strict=True)
        ]
    heights = [density(likelihood, starts)]
    for steps in (1, 5, 100):
        found, value = maximise(likelihood, starts, steps=steps)
        heights.append(density(likelihood, found))
        assert value == pytest.approx(heights[-1], abs=1e-6)
    assert heights == sorted(heights)
    assert heights[-1] > heights[0] + 1
    assert heights[-1] == pytest.approx(density(likelihood, maximise(likelihood, found)[0]), abs=0.5)
