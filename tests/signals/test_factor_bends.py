"""Times of the best and the worst answers that are alike: a bend is found, and where there is none nothing changes."""

import json

import numpy as np
from tests.signals.factor_world import draw

from unspoken.signals.factor.model import Factor, fit
from unspoken.signals.factor.times import BENDS, STANDS_OUT

N = 12_000


def bend(model: Factor) -> float:
    """Of the dwell; 0 where it has none."""
    return next((row.value for row in model.loadings if (row.signal, row.of) == ("dwell", "bend")), 0.0)


def brier(model: Factor, world) -> float:
    return float(np.mean((model.posterior(world.episodes)["p"].to_numpy() - (world.worth > 0)) ** 2))


def test_a_planted_bend_is_found_where_no_slope_would_tell_it(monkeypatch):
    world = draw(N, seed=3, bend=0.4, slopes={"dwell": 0.0})
    model = fit(world.episodes)
    assert bend(model) > 0.1  # of .32 in normal scores, which hide the skewness that a bend comes with
    assert abs(model.as_dict()["design"]["bends"]["dwell"]) > STANDS_OUT
    monkeypatch.setattr("unspoken.signals.factor.design.STANDS_OUT", np.inf)
    straight = fit(world.episodes)
    assert bend(straight) == 0
    assert brier(model, world) < brier(straight, world) - 0.002


def test_where_nothing_bends_the_term_is_held_at_nothing_and_its_test_is_told():
    model = fit(draw(N, seed=3).episodes)
    assert model.design is not None
    assert not any(row.of == "bend" for row in model.loadings)
    assert model.thetas[model.design.signals.index("dwell")][BENDS] == 0
    assert 0 < abs(json.loads(json.dumps(model.as_dict()))["design"]["bends"]["dwell"]) < STANDS_OUT


def test_times_that_are_skewed_for_reasons_of_their_own_do_no_harm(monkeypatch):
    world = draw(N, seed=3, skewed=True)
    model = fit(world.episodes)
    monkeypatch.setattr("unspoken.signals.factor.design.STANDS_OUT", np.inf)
    assert abs(bend(model)) < 0.08
    assert brier(model, world) < brier(fit(world.episodes), world) + 0.001
