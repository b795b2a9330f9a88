"""How the worth goes with length, for as long as the model is fitted: a nuisance that no label ever sees.

Where people like long answers, time grows with length for two reasons, and long answers survive their longer time at
risk better than a hazard without worth would let them. A fit that holds worth and length to be independent takes the
taste for reading time, and for slopes of stop and close. As position is fitted beside the utility of siblings and never
folded into it, so is this: the label's prior is N(0, 1) whatever the length.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from unspoken.signals.factor.terms import EFFECT_SD, GRID, Direction, Entries, Floats, Prior, Q, Rows

STRONGEST = 2.0  # in θ: a correlation of .96


@dataclass(frozen=True)
class Taste:
    """u ~ N(r·length, 1 − r²) in place of N(0, 1), r = tanh θ: over all lengths it stays N(0, 1)."""

    signal = "taste"
    by_variety = False

    def prior(self) -> Prior:
        zero = np.zeros(1)
        return Prior(zero, zero, zero + EFFECT_SD, zero + np.inf)

    def directions(self) -> list[Direction]:
        return []

    def features(self, rows: Rows) -> Any:
        """Table rows: 1, length, length²."""
        entries, every = Entries(len(rows), 3), np.ones(len(rows), bool)
        for column, value in enumerate((np.ones(len(rows)), rows.length, rows.length**2)):
            entries.add(every, column, value)
        return entries.matrix()

    def table(self, theta: Floats) -> Floats:
        r, left = _moments(theta)
        constant = 0.5 * GRID**2 * (1 - 1 / left) - 0.5 * np.log(left)
        return np.stack([constant, r * GRID / left, np.full(Q, -0.5 * r**2 / left)])

    def score(self, theta: Floats) -> Floats:
        return np.zeros((3, Q))

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        r, left = _moments(theta)
        by_r = np.stack([r - r * GRID**2 / left, (1 + r**2) * GRID / left, np.full(Q, -r / left)])  # times left
        return np.array([(weights * by_r).sum() * (abs(theta[0]) < STRONGEST)])


def _moments(theta: Floats) -> tuple[float, float]:
    r = float(np.tanh(np.clip(theta[0], -STRONGEST, STRONGEST)))
    return r, 1 - r**2
