"""How leniently each user votes: a random intercept of their own in the logit of "up".

`logit P(up) = μ + b_user, b ~ N(0, sd²)`, by maximum marginal likelihood. A user's votes enter by their number and
the number up alone, so equal counts are integrated once: by adaptive Gauss-Hermite quadrature, because Laplace's
approximation, which is its case of one node, pulls the spread down where users have a vote or two each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import expit, logsumexp

Floats = NDArray[np.float64]

NODES = 15
HIGHEST = 5.0  # of the spread, in logits
FURTHEST = 8.0  # of the mean, in logits: more is not told apart by any number of votes
ENOUGH = 0.005  # of the bounds, in logits
REPEATED = 5  # users with two votes and more, from which on the spread says anything


@dataclass(frozen=True)
class Leniency:
    """`sd` of users' leniency in logits with its 95 % profile interval; at 0 (0 … null) where votes cannot say it.

    `users`: user, votes, up, mean and sd of their leniency given their votes (logits; above 0 votes up more than most).
    """

    mean: float
    sd: float
    low: float
    high: float | None
    users: pl.DataFrame


def leniency(votes: pl.DataFrame) -> Leniency:
    """From rows of user and vote (1, −1); votes of nobody known are left out."""
    counts = (
        votes.filter(pl.col("user").is_not_null())
        .group_by("user")
        .agg(pl.len().cast(pl.Float64).alias("votes"), (pl.col("vote") > 0).sum().cast(pl.Float64).alias("up"))
        .sort("user")
    )
    kinds = counts.group_by("votes", "up").len().sort("votes", "up")
    n, k, weight = (kinds[name].to_numpy().astype(np.float64) for name in ("votes", "up", "len"))
    if not len(n):
        return Leniency(0.0, 0.0, 0.0, None, _users(counts, kinds, np.zeros(0), np.zeros(0)))

    def loss(mean: float, sd: float) -> float:
        return -float(weight @ _log_marginal(n, k, mean, sd))

    def profile(sd: float) -> float:
        found = minimize_scalar(lambda mean: loss(mean, sd), bounds=(-FURTHEST, FURTHEST), method="bounded")
        return float(found.fun)

    if weight[n > 1].sum() < REPEATED or not 0 < k @ weight < n @ weight:
        mean, sd, low, high = _common(n, k, weight), 0.0, 0.0, None
    else:
        start = np.array([_common(n, k, weight), 0.5])
        bounds = [(-FURTHEST, FURTHEST), (0.0, HIGHEST)]
        best = minimize(lambda at: loss(at[0], at[1]), start, bounds=bounds, method="L-BFGS-B")
        mean, sd = float(best.x[0]), float(best.x[1])
        low, high = _interval(lambda at: profile(at) - float(best.fun) - 1.92, sd)
    mode, curve = _mode(n, k, mean, sd)
    return Leniency(mean, sd, low, high, _users(counts, kinds, sd * mode, sd / np.sqrt(curve)))


def chance(found: Leniency, votes: Floats, up: Floats) -> Floats:
    """P(just these `up` of n `votes` are up) of a user drawn from all, shape of `votes`; for none or all of them up."""
    return np.exp(_log_marginal(votes, up, found.mean, found.sd))


def _common(n: Floats, k: Floats, weight: Floats) -> float:
    """Logit of the share up, with half a vote added on both sides."""
    up, down = k @ weight + 0.5, (n - k) @ weight + 0.5
    return float(np.clip(np.log(up / down), -FURTHEST, FURTHEST))


def _interval(above: Callable[[float], float], sd: float) -> tuple[float, float | None]:
    low = float(brentq(above, 0.0, sd, xtol=ENOUGH)) if sd > 0 and above(0.0) > 0 else 0.0
    high = float(brentq(above, sd, HIGHEST, xtol=ENOUGH)) if sd < HIGHEST and above(HIGHEST) > 0 else None
    return low, high


def _log_marginal(n: Floats, k: Floats, mean: float, sd: float) -> Floats:
    """log P(these k of n votes are up), shape of n: ∫ exp(kη − n·log(1 + e^η)) φ(v) dv, η = mean + sd·v."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)  # for exp(−x²/2)
    mode, curve = _mode(n, k, mean, sd)
    v = mode[:, None] + nodes / np.sqrt(curve)[:, None]
    eta = mean + sd * v
    inside = k[:, None] * eta - n[:, None] * np.logaddexp(0, eta) - v**2 / 2 + nodes**2 / 2
    value: Floats = logsumexp(inside + np.log(weights), axis=1) - 0.5 * np.log(curve) - 0.5 * np.log(2 * np.pi)
    return value


def _mode(n: Floats, k: Floats, mean: float, sd: float) -> tuple[Floats, Floats]:
    """Where each user's posterior of v = b/sd peaks, and its curvature there: both of the shape of n."""
    v = np.zeros_like(n)
    for _ in range(100):
        p = expit(mean + sd * v)
        step = (sd * (k - n * p) - v) / (sd**2 * n * p * (1 - p) + 1)
        v = v + np.clip(step, -1, 1)  # Newton overshoots where p is near 0 or 1
        if np.abs(step).max(initial=0) < 1e-10:
            break
    p = expit(mean + sd * v)
    return v, sd**2 * n * p * (1 - p) + 1


def _users(counts: pl.DataFrame, kinds: pl.DataFrame, mean: Floats, sd: Floats) -> pl.DataFrame:
    placed = kinds.select("votes", "up", pl.Series("mean", mean), pl.Series("sd", sd))
    return counts.join(placed, on=["votes", "up"], how="left", maintain_order="left").select(
        "user", pl.col("votes", "up").cast(pl.Int64), "mean", "sd"
    )
