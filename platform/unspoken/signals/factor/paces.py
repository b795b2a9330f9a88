"""Times against what their length, topic, device and whose they are let one expect: residuals of a log-linear model.

log t = a + b·log(length) (+ g·idle) + topic + device (+ act) + user + opening + conversation + e, effects shrunk by
their variance components (moments; science: §3). The last three are worked out anew from the rows at hand, so that no
user and no conversation stands in a file. What a conversation is about, its topic may not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from scipy.special import ndtri

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
By = Mapping[str, Codes]  # which of each grouping a row belongs to
STANDS_OUT = 3.0  # errors; a variance between conversations that does not is 0
LEAST_SD = 1e-3  # of e: a time that varies by less is fixed by its length and groups, and says nothing of worth
ROUNDS = 8  # of going over the effects; they are nearly orthogonal, so the changes vanish after a few
# Residuals become normal scores, so that their shape alone, of whatever cause, never passes for a loading: among those
# before the same next act, because the wait for a copy and the wait for a message have shapes of their own.
LEVELS: Floats = np.linspace(0.005, 0.995, 199)
ENOUGH = 100  # residuals, for a shape to be known


@dataclass(frozen=True)
class Pace:
    """A fitted log-linear model of one time. `effects`: per grouping, the effect of each of its codes; sd of e.

    `between`: the variance of the effects of users, openings and conversations, which are themselves not kept.
    `quantiles`: of the residuals in sd, at LEVELS, by the code of the next act where that is a grouping; empty where
    there were fewer than ENOUGH.
    """

    intercept: float
    slopes: Sequence[float]  # of the covariates
    effects: Mapping[str, Sequence[float]]
    between: Mapping[str, float]
    sd: float
    quantiles: Sequence[Sequence[float]]

    def residuals(self, log_s: Floats, covariates: Floats, units: By, groups: By) -> Floats:
        """(n,) normal scores, within ± 2.6. Units of −1 have no effect of their own. NaN where log_s is, or where the
        shape of such residuals is not known.
        """
        left = self._standardised(log_s, covariates, units, groups)
        shapes, scores = self._shapes(groups, len(left)), np.full(len(left), np.nan)
        for code, quantiles in enumerate(self.quantiles):
            if quantiles:
                of = shapes == code
                scores[of] = _normal(left[of], np.asarray(quantiles))
        return scores

    def scored(self, log_s: Floats, covariates: Floats, units: By, groups: By) -> "Pace":
        """The same with the quantiles of these rows."""
        left = self._standardised(log_s, covariates, units, groups)
        shapes = self._shapes(groups, len(left))
        of = [left[shapes == code] for code in range(int(shapes.max(initial=0)) + 1)]
        return replace(
            self, quantiles=[np.quantile(each, LEVELS).tolist() if len(each) >= ENOUGH else [] for each in of]
        )

    def _shapes(self, groups: By, rows: int) -> Codes:
        return groups["next_act"] if "next_act" in self.effects else np.zeros(rows, np.int64)

    def _standardised(self, log_s: Floats, covariates: Floats, units: By, groups: By) -> Floats:
        left = log_s - self.intercept - covariates @ np.asarray(self.slopes)
        for name, effects in self.effects.items():
            left = left - np.asarray(effects)[groups[name]]
        return np.asarray((left - self._of_units(left, units)) / self.sd)

    def _of_units(self, left: Floats, units: By) -> Floats:
        """(n,) the sum of each row's effects; each of the three is what the others leave, in turns."""
        varied = [(units[name], between) for name, between in self.between.items() if between > 0]
        found = [np.zeros(len(left)) for _ in varied]
        for _ in range(ROUNDS if len(varied) > 1 else 1):
            for place, (codes, between) in enumerate(varied):
                rest = left - sum(found) + found[place]
                found[place] = _each(rest, codes, between, self.sd**2)
        return sum(found, np.zeros(len(left)))


def _normal(values: Floats, quantiles: Floats) -> Floats:
    """Normal scores; of a value that is several of the quantiles, as of clocks that tick, that of the middle one."""
    up_to, below = np.interp(values, quantiles, LEVELS), 1 - np.interp(-values, -quantiles[::-1], LEVELS)
    return np.asarray(ndtri((up_to + below) / 2))


def shrunken(values: Floats, codes: Codes, size: int, between: float, within: float) -> Floats:
    """(size,) best linear unbiased predictions of the groups' effects, given both variances; 0 for an empty group."""
    count = np.bincount(codes, minlength=size)
    total = np.bincount(codes, weights=values, minlength=size)
    return np.asarray(total * between / np.maximum(between * count + within, LEAST_SD**2))


def _each(values: Floats, codes: Codes, between: float, within: float) -> Floats:
    """(n,) the `shrunken` effect of each row's group; 0 for a row of none (−1). Values that are NaN say nothing."""
    known, own = np.isfinite(values) & (codes >= 0), codes >= 0
    effects = shrunken(values[known], codes[known], int(codes.max(initial=-1)) + 1, between, within)
    each = np.zeros(len(values))
    each[own] = effects[codes[own]]
    return each


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


def common(values: Floats, codes: Codes) -> float:
    """The variance between groups, from products of two values of one group; 0 unless it stands out from its error.

    Most conversations have one answer. Were those compared with the others, as an analysis of variance does, then that
    they vary more, being regenerated less often, would pass for a difference between conversations.
    """
    count = np.bincount(codes).astype(float)
    several = count > 1
    count, total, squares = (
        column[several] for column in (count, np.bincount(codes, values), np.bincount(codes, values**2))
    )
    products = (total**2 - squares) / (count - 1)  # per group, as much as it has values
    if products.sum() <= STANDS_OUT * np.sqrt((products**2).sum()):
        return 0.0
    return float(products.sum() / count.sum())


def fit_pace(log_s: Floats, covariates: Floats, units: By, groups: By, sizes: Mapping[str, int]) -> Pace:
    """The model of the rows given, all finite. groups: codes 0 … size − 1 per grouping.

    units: likewise of "user", and of what else has effects only where their variance stands out; −1 for none.
    covariates: (n, k) log of the length, then what a time may have been lengthened by, in log units: that can be all
    of it or nothing, so its slope stays within 0 and 1. (Where idle time is a share of the reading time, a free slope
    takes it for the reading itself, and nothing is left to judge by.)
    """
    effects = {name: np.zeros(sizes[name]) for name in groups}
    of_units = {name: np.zeros(len(log_s)) for name in units}
    between, within = dict.fromkeys(units, 0.0), 1.0
    rotated, triangle = np.linalg.qr(columns := np.column_stack([np.ones(len(log_s)), covariates]))
    most = np.array([np.inf, np.inf, *np.ones(covariates.shape[1] - 1)])
    least = np.where(np.isinf(most), -np.inf, 0.0)
    slopes = np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        given = sum(of_units.values(), np.zeros(len(log_s)))
        given = given + sum(effects[name][codes] for name, codes in groups.items())
        slopes = lsq_linear(triangle, rotated.T @ (log_s - given), (least, most)).x
        left = log_s - columns @ slopes
        for name, codes in groups.items():
            rest = left - given + effects[name][codes]
            found, inside = variances(rest, codes)
            update = shrunken(rest, codes, len(effects[name]), found, inside)
            given = given + (update - effects[name])[codes]
            effects[name] = update
        within = float((left - given).var())
        for name, codes in units.items():
            rest, own = left - given + of_units[name], codes >= 0
            if not own.any():
                continue
            if name == "user":
                between[name], within = variances(rest[own], codes[own])
            else:
                between[name] = common(rest[own], codes[own])
            each = _each(rest, codes, between[name], within)
            given = given + each - of_units[name]
            of_units[name] = each
    fitted = Pace(
        float(slopes[0]),
        slopes[1:].tolist(),
        {name: effect.tolist() for name, effect in effects.items()},
        between,
        float(np.sqrt(max(within, LEAST_SD**2))),
        (),
    )
    return fitted.scored(log_s, covariates, units, groups)
