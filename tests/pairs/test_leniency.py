"""How leniently each user votes."""

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import binom, norm

from unspoken.pairs.leniency import Leniency, chance, leniency


def drawn(sd: float, users: int, most: int, seed: int, mean: float = 0.8) -> tuple[pl.DataFrame, np.ndarray]:
    """Votes of users of 1 to `most` votes, and each user's leniency."""
    random = np.random.default_rng(seed)
    b = random.normal(size=users) * sd
    who = np.repeat(np.arange(users), random.integers(1, most + 1, users))
    up = random.random(len(who)) < 1 / (1 + np.exp(-mean - b[who]))
    return pl.DataFrame({"user": [f"u{n:05}" for n in who], "vote": np.where(up, 1, -1)}), b


@pytest.mark.parametrize(("sd", "most", "users"), [(0.5, 8, 4000), (1.2, 4, 3000), (2.0, 60, 800)])
def test_a_planted_spread_is_found_with_few_votes_and_with_many(sd, most, users):
    found = [leniency(drawn(sd, users, most, seed)[0]) for seed in range(4)]
    assert np.mean([each.sd for each in found]) == pytest.approx(sd, abs=0.06 * sd)
    assert np.mean([each.mean for each in found]) == pytest.approx(0.8, abs=0.08)
    assert sum(each.low < sd < (each.high or 0) for each in found) >= 3


def test_people_who_are_all_alike_have_a_spread_of_about_nothing():
    found = leniency(drawn(0, 3000, 6, 8)[0])
    assert found.low == 0
    assert found.sd < 0.3


def test_the_leniency_of_each_user_is_found_and_shrunk():
    votes, b = drawn(1.5, 1500, 40, 9)
    users = leniency(votes).users.sort("user")
    of = b[users["user"].str.slice(1).cast(pl.Int64).to_numpy()]
    assert np.corrcoef(users["mean"], of)[0, 1] > 0.85
    few = users.filter(pl.col("votes") < 3)
    assert few["mean"].to_numpy().std() < users["mean"].to_numpy().std()
    assert ((users["mean"].to_numpy() - of) / users["sd"].to_numpy()).std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("n", "k", "sd"), [(1, 1, 0.7), (7, 0, 2.0), (300, 290, 1.0), (300, 150, 3.0)])
def test_the_integral_is_the_integral(n, k, sd):
    found = Leniency(0.4, sd, 0.0, None, pl.DataFrame())

    def inside(b: float) -> float:
        return float(binom.pmf(k, n, 1 / (1 + np.exp(-0.4 - b))) / binom.pmf(k, n, 0.5) * 0.5**n * norm.pdf(b, 0, sd))

    exact = quad(inside, -12 * sd, 12 * sd, points=[3.0, -0.4, -4.0], limit=400, epsabs=0)[0]
    [said] = chance(found, np.array([float(n)]), np.array([float(k)]))
    assert said == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(
    "votes",
    [[], [("ann", 1)], [("ann", 1)] * 30, [("ann", 1), ("ann", -1)] * 9, [(f"u{n % 9}", 1) for n in range(50)]],
)
def test_votes_that_cannot_say_it_give_no_spread(votes):
    found = leniency(pl.DataFrame(votes, schema={"user": pl.String, "vote": pl.Int64}, orient="row"))
    assert (found.sd, found.low, found.high) == (0.0, 0.0, None)
    assert np.isfinite(found.mean)
    assert found.users["mean"].to_list() == [0.0] * len(found.users)


def test_who_is_not_known_has_no_leniency():
    assert leniency(
        pl.DataFrame({"user": [None, None], "vote": [1, 1]}, schema_overrides={"user": pl.String})
    ).users.is_empty()
