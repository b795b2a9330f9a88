"""Times against what their length, their user, topic and device let one expect: residuals of a log-linear model.

log t = a + b·log(length) (+ g·idle) + user + topic + device (+ act) + e, effects shrunk by their variance components
(moments; science: §3). The user's effect is worked out anew from the rows at hand, so that no user stands in a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from scipy.special import ndtri

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
LEAST_SD = 1e-3  # of e: a time that varies by less is fixed by its length and groups, and says nothing of worth
ROUNDS = 8  # of going over the effects; they are nearly orthogonal, so the changes vanish after a few
# Residuals become normal scores, so that their shape alone, of whatever cause, never passes for a loading: among those
# before the same next act, because the wait for a copy and the wait for a message have shapes of their own.
LEVELS: Floats = np.linspace(0.005, 0.995, 199)
ENOUGH = 100  # residuals, for a shape to be known


@dataclass(frozen=True)
class Pace:
    """A fitted log-linear model of one time. `effects`: per grouping, the effect of each of its codes; sd of e.

    `quantiles`: of the residuals in sd, at LEVELS, by the code of the next act where that is a grouping; empty where
    there were fewer than ENOUGH.
    """

    intercept: float
    slopes: Sequence[float]  # of the covariates
    effects: Mapping[str, Sequence[float]]
    user_variance: float
    sd: float
    quantiles: Sequence[Sequence[float]]

    def residuals(self, log_s: Floats, covariates: Floats, users: Codes, groups: Mapping[str, Codes]) -> Floats:
        """(n,) normal scores, within ± 2.6. Users of −1 have no effect of their own. NaN where log_s is, or where the
        shape of such residuals is not known.
        """
        left = self._standardised(log_s, covariates, users, groups)
        shapes, scores = self._shapes(groups, len(left)), np.full(len(left), np.nan)
        for code, quantiles in enumerate(self.quantiles):
            if quantiles:
                of = shapes == code
                scores[of] = _normal(left[of], np.asarray(quantiles))
        return scores

    def scored(self, log_s: Floats, covariates: Floats, users: Codes, groups: Mapping[str, Codes]) -> "Pace":
        """The same with the quantiles of these rows."""
        left = self._standardised(log_s, covariates, users, groups)
        shapes = self._shapes(groups, len(left))
        of = [left[shapes == code] for code in range(int(shapes.max(initial=0)) + 1)]
        return replace(
            self, quantiles=[np.quantile(each, LEVELS).tolist() if len(each) >= ENOUGH else [] for each in of]
        )

    def _shapes(self, groups: Mapping[str, Codes], rows: int) -> Codes:
        return groups["next_act"] if "next_act" in self.effects else np.zeros(rows, np.int64)

    def _standardised(self, log_s: Floats, covariates: Floats, users: Codes, groups: Mapping[str, Codes]) -> Floats:
        left = log_s - self.intercept - covariates @ np.asarray(self.slopes)
        for name, effects in self.effects.items():
            left = left - np.asarray(effects)[groups[name]]
        known = np.isfinite(left) & (users >= 0)
        effect = shrunken(left[known], users[known], int(users.max(initial=-1)) + 1, self.user_variance, self.sd**2)
        left[users >= 0] -= effect[users[users >= 0]]
        return np.asarray(left / self.sd)


def _normal(values: Floats, quantiles: Floats) -> Floats:
    """Normal scores; of a value that is several of the quantiles, as of clocks that tick, that of the middle one."""
    up_to, below = np.interp(values, quantiles, LEVELS), 1 - np.interp(-values, -quantiles[::-1], LEVELS)
    return np.asarray(ndtri((up_to + below) / 2))


def shrunken(values: Floats, codes: Codes, size: int, between: float, within: float) -> Floats:
    """(size,) best linear unbiased predictions of the groups' effects, given both variances; 0 for an empty group."""
    count = np.bincount(codes, minlength=size)
    total = np.bincount(codes, weights=values, minlength=size)
    return np.asarray(total * between / np.maximum(between * count + within, LEAST_SD**2))


def variances(values: Floats, codes: Codes) -> tuple[float, float]:
    """(between, within) of a one-way layout, by the moments of an analysis of variance; between is at least 0."""
    count = np.bincount(codes).astype(float)
    total = np.bincount(codes, weights=values)
    there = count > 0
    groups, n = int(there.sum()), float(count.sum())
    mean = total[there] / count[there]
    inside = float(((values - (total / np.maximum(count, 1))[codes]) ** 2).sum())
    if groups < 2 or n <= groups:
        return 0.0, float(values.var())
    within = inside / (n - groups)
    spread = float((count[there] * (mean - values.mean()) ** 2).sum()) / (groups - 1)
    size = (n - float((count**2).sum()) / n) / (groups - 1)
    return max((spread - within) / size, 0.0), within


def fit_pace(
    log_s: Floats, covariates: Floats, users: Codes, groups: Mapping[str, Codes], sizes: Mapping[str, int]
) -> Pace:
    """The model of the rows given, all finite. groups: codes 0 … size − 1 per grouping.

    covariates: (n, k) log of the length, then what a time may have been lengthened by, in log units: that can be all
    of it or nothing, so its slope stays within 0 and 1. (Where idle time is a share of the reading time, a free slope
    takes it for the reading itself, and nothing is left to judge by.)
    """
    effects = {name: np.zeros(sizes[name]) for name in groups}
    user_effect = np.zeros(max(int(users.max()) + 1, 1))
    own = users >= 0
    between, within = 0.0, 1.0
    rotated, triangle = np.linalg.qr(columns := np.column_stack([np.ones(len(log_s)), covariates]))
    most = np.array([np.inf, np.inf, *np.ones(covariates.shape[1] - 1)])
    least = np.where(np.isinf(most), -np.inf, 0.0)
    slopes = np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        given = np.where(own, user_effect[users], 0.0) + sum(effects[name][codes] for name, codes in groups.items())
        slopes = lsq_linear(triangle, rotated.T @ (log_s - given), (least, most)).x
        left = log_s - columns @ slopes
        for name, codes in groups.items():
            rest = left - given + effects[name][codes]
            found, inside = variances(rest, codes)
            update = shrunken(rest, codes, len(effects[name]), found, inside)
            given = given + (update - effects[name])[codes]
            effects[name] = update
        if own.any():
            rest = (left - given + np.where(own, user_effect[users], 0.0))[own]
            between, within = variances(rest, users[own])
            user_effect = shrunken(rest, users[own], len(user_effect), between, within)
        else:
            within = float((left - given).var())
    fitted = Pace(
        float(slopes[0]),
        slopes[1:].tolist(),
        {name: effect.tolist() for name, effect in effects.items()},
        between,
        float(np.sqrt(max(within, LEAST_SD**2))),
        (),
    )
    return fitted.scored(log_s, covariates, users, groups)
