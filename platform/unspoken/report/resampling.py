"""People are the unit: how often each is drawn, and what that makes of records that several people share."""

from collections.abc import Sequence

import numpy as np


def draw(n_people: int, replicates: int, random: np.random.Generator) -> np.ndarray:
    """How often each person is drawn with replacement, shape (replicates, n_people), float64."""
    if n_people == 0:
        return np.zeros((replicates, 0))
    return random.multinomial(n_people, np.full(n_people, 1 / n_people), size=replicates).astype(np.float64)


def of_units(drawn: np.ndarray, units: Sequence[Sequence[int]]) -> np.ndarray:
    """Multiplicity of units, shape (replicates, n_units): the product over a unit's people (Owen 2007, pigeonhole).

    For units of one person that is the person's own number.
    """
    if all(len(unit) == 1 for unit in units):
        return drawn[:, [unit[0] for unit in units]] if units else np.zeros((len(drawn), 0))
    out = np.ones((len(drawn), len(units)))
    for column, unit in enumerate(units):
        out[:, column] = drawn[:, list(unit)].prod(axis=1)
    return out


def percentile(values: np.ndarray, *shares: float) -> list[float]:
    """Quantiles of the finite values; NaN where there are none."""
    finite = values[np.isfinite(values)]
    return [float(q) for q in np.quantile(finite, shares)] if len(finite) else [float("nan")] * len(shares)


def robust_sd(values: np.ndarray) -> float:
    """The span of the central 90 % over 3.29: a normal's standard deviation, and steady for a heavy-tailed ratio."""
    low, high = percentile(values, 0.05, 0.95)
    return (high - low) / 3.29


def kish(weights: np.ndarray) -> float:
    """Effective number of people: (Σw)² / Σw²."""
    total = float((weights**2).sum())
    return float(weights.sum()) ** 2 / total if total > 0 else 0.0
