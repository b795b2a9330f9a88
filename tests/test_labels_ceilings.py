"""What benchmarks/labels.py measures votes and replies by: the posterior of one vote, or of one reply."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from unspoken.simulate.draws import draw
from unspoken.simulate.presets import preset

ROOT = Path(__file__).parents[1]


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.labels_parts import ceilings, scores

    return ceilings, scores


def drawn(name, seed=7, **changes):
    return draw(replace(preset(name), users=1500, vote_rate=0.4, **changes), seed)


def calibrated(p, better):
    """Offset and slope of a logistic regression of the truth on the log-odds."""
    lo = logit(p)
    found = minimize(lambda at: np.logaddexp(0, -(2 * better - 1) * (at[0] + at[1] * lo)).sum(), [0.0, 1.0])
    return found.x.tolist()


@pytest.mark.parametrize("name", ["default", "null", "misspecified", "abandonment"])
@pytest.mark.parametrize("family", ["stated", "expressed"])
def test_the_posterior_is_calibrated_and_a_sharper_or_milder_one_is_worse(parts, name, family):
    world, (ceilings, _) = drawn(name), parts
    worth = world.u_stated if family == "stated" else ceilings.expressed_worth(world)
    p = getattr(ceilings, family)(world)
    known = np.isfinite(p) & (world.anchor < 0) & np.isin(world.looks.cut, ("", "unread"))
    if family == "expressed":  # also of answers that were stopped: the reply says how it was
        known = np.isfinite(p) & (world.anchor < 0)
    p, better = p[known], worth[known] > 0
    assert len(p) > 5000
    assert calibrated(p, better) == pytest.approx([0, 1], abs=0.12)

    def brier(q):
        return ((q - better) ** 2).mean()

    assert brier(p) < min(brier(expit(logit(p) * times)) for times in (0.6, 1.6))


def test_nobody_who_votes_for_other_reasons_has_a_posterior(parts):
    world, (ceilings, _) = drawn("brigade"), parts
    brigade = world.people.brigade[world.user[world.exchange]]
    p = ceilings.stated(world)
    assert np.isnan(p[brigade]).all()
    assert np.isfinite(p[(world.said.vote != 0) & ~brigade]).all()
    assert np.isnan(ceilings.stated(drawn("attribute_votes"))).all()


def test_replies_below_one_of_several_answers_have_no_posterior(parts):
    world, (ceilings, _) = drawn("default"), parts
    known = np.isfinite(ceilings.expressed(world))
    assert known.any()
    assert not known[world.rank > 0].any()
    assert (world.ends.act[world.exchange[known]] == 1).all()


def test_a_weight_is_so_many_rows_and_ties_count_half(parts):
    p, better = np.array([0.2, 0.2, 0.7, 0.9, 0.4]), np.array([False, True, False, True, True])
    weight = np.array([1, 3, 2, 1, 2])
    auc = parts[1].auc
    assert auc(p, better) == pytest.approx((0.5 + 1 + 0 + 1 + 0 + 1) / 6)
    again = np.repeat(np.arange(5), weight)
    assert auc(p, better, weight.astype(float)) == pytest.approx(auc(p[again], better[again]))
