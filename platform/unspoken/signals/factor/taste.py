"""How the worth goes with length, for as long as the model is fitted: a nuisance that no label ever sees.

Where people like long answers, time grows with length for two reasons, and long answers survive their longer time at
risk better than a hazard without worth would let them. A fit that holds worth and length to be independent takes the
taste for reading time, and for slopes of stop and close. As position is fitted beside the utility of siblings and never
folded into it, so is this: the label's prior is N(0, 1) whatever the length.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from unspoken.signals.factor.paces import LEAST_SD
from unspoken.signals.factor.terms import EFFECT_SD, GRID, Direction, Entries, Floats, Prior, Q, Rows, nearest
from unspoken.signals.factor.times import mills

ROUNDS = 30
STRONGEST = 2.0  # in θ: a correlation of .96
EXACT = 3  # table rows of lengths that are known exactly
LIMITS: Floats = np.linspace(-3.0, 3.0, 25)  # of a length that would have become more; it goes to the nearest


@dataclass(frozen=True)
class Taste:
    """length ~ N(r·u, 1 − r²), r = tanh θ, both of them N(0, 1) by themselves.

    Of an answer that was cut short only a lower limit is known: it counts as Φ of the distance to it. (Taken as it is,
    to be short would look like a cause of the stop that made it so.)
    """

    signal = "taste"
    by_variety = False

    def prior(self) -> Prior:
        zero = np.zeros(1)
        return Prior(zero, zero, zero + EFFECT_SD, zero + np.inf)

    def directions(self) -> list[Direction]:
        return []

    def features(self, rows: Rows) -> Any:
        """Table rows: 1, length, length²; then longer than each limit."""
        entries = Entries(len(rows), EXACT + len(LIMITS))
        known = np.isfinite(rows.length)
        length = np.where(known, rows.length, 0.0)
        for column, value in enumerate((np.ones(len(rows)), length, length**2)):
            entries.add(known & ~rows.short, column, value)
        entries.add(known & rows.short, EXACT + nearest(LIMITS, length))
        return entries.matrix()

    def table(self, theta: Floats) -> Floats:
        r, left = _moments(theta)
        constant = 0.5 * GRID**2 * (1 - 1 / left) - 0.5 * np.log(left)
        exact = np.stack([constant, r * GRID / left, np.full(Q, -0.5 * r**2 / left)])
        return np.concatenate([exact, log_ndtr(_beyond(r, left))])

    def score(self, theta: Floats) -> Floats:
        return np.zeros((EXACT + len(LIMITS), Q))

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        r, left = _moments(theta)
        beyond = _beyond(r, left)
        by_r = np.stack([r - r * GRID**2 / left, (1 + r**2) * GRID / left, np.full(Q, -r / left)])  # times left
        at_limits = mills(beyond) * (np.sqrt(left) * GRID + r * beyond)
        total = (weights * np.concatenate([by_r, at_limits])).sum()
        return np.array([total * (abs(theta[0]) < STRONGEST)])


def lengths(log_length: Floats, short: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean and sd of the lengths, had no answer been cut short: by EM, as of times that are censored.

    Those that came out whole are shorter: the longer one is, the more time there was to stop it. NaN: not known.
    """
    known = np.isfinite(log_length)
    log_length, short = log_length[known], short[known]
    mean, sd = 0.0, 1.0
    filled, spread = log_length, np.zeros(len(log_length))
    for _ in range(ROUNDS if len(log_length) else 0):
        mean = float(filled.mean())
        sd = max(float(np.sqrt(np.mean((filled - mean) ** 2 + spread))), LEAST_SD)
        z = (mean - log_length) / sd
        more = mills(z)
        filled = np.where(short, mean + sd * more, log_length)
        spread = np.where(short, sd**2 * (1 - z * more - more**2), 0.0)
    return mean, sd


def _moments(theta: Floats) -> tuple[float, float]:
    r = float(np.tanh(np.clip(theta[0], -STRONGEST, STRONGEST)))
    return r, 1 - r**2


def _beyond(r: float, left: float) -> Floats:
    """(limits, Q): how far the mean stands above each limit, in sd of what is left."""
    return np.asarray((r * GRID - LIMITS[:, None]) / np.sqrt(left))
