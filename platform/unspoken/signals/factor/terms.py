"""How each kind of signal depends on the worth u: a table of log-likelihoods over the grid, times what was observed.

The log-likelihood of every answer at every grid point is `features @ table(θ)`: what was observed stands in a sparse
matrix that never changes, what is fitted in a small table. `score` is the table's derivative by its own predictor (its
intercept), from which gradients, standard errors and residuals all follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
GRID: Floats = np.linspace(-4.0, 4.0, 25)
LOG_PRIOR: Floats = -0.5 * GRID**2 - np.log(np.exp(-0.5 * GRID**2).sum())
Q = len(GRID)
LEVELS: Floats = np.linspace(-2.0, 2.0, 9)  # of a user's own habit, in logits
SLOPE_SD, INTERCEPT_SD, EFFECT_SD, TOPIC_SLOPE_SD = 1.0, 2.0, 0.5, 0.5
# Around a declared slope: little follows a stop, so the data say little of its slope, and then it stays as declared.
DECLARED_SD = 0.2


@dataclass(frozen=True)
class Prior:
    """Where the fit starts, normal priors and upper bounds: (n_parameters,) each; a bound of 0 declares a sign."""

    start: Floats
    mean: Floats
    sd: Floats
    highest: Floats


@dataclass(frozen=True)
class Rows:
    """What the terms read of n answers: codes of topics and devices, `unsure` (acts may be lost), NaN for unknown."""

    topic: Codes
    device: Codes
    unsure: NDArray[np.bool_]
    known: dict[str, Floats]  # per signal: act 0 … 1, or a standardised time
    habit: dict[str, Floats]  # per act: log of how often the user does it, as a multiple of the others
    at_risk_s: Floats
    censored: NDArray[np.bool_]
    length: Floats  # log characters, standardised; NaN for unknown
    short: NDArray[np.bool_]  # it was cut short, and would have become longer

    def __len__(self) -> int:
        return len(self.topic)

    def told(self, signals: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) whether any of the signals is known."""
        return (
            np.any([np.isfinite(self.known[signal]) for signal in signals], axis=0) if signals else ~self.unsure & False
        )

    def take(self, chosen: Codes | slice) -> "Rows":
        """Some of the answers, in the order given."""
        return Rows(
            self.topic[chosen],
            self.device[chosen],
            self.unsure[chosen],
            {signal: column[chosen] for signal, column in self.known.items()},
            {signal: column[chosen] for signal, column in self.habit.items()},
            self.at_risk_s[chosen],
            self.censored[chosen],
            self.length[chosen],
            self.short[chosen],
        )


@dataclass(frozen=True)
class Direction:
    """One slope of a term: its name, its place in θ, and the derivative of the predictor by it, over V and u."""

    of: str
    place: int
    basis: Floats  # (1 or 2, Q)
    topic: int | None = None  # it holds in this topic alone


class Term(Protocol):
    """One signal. Tables are (rows, Q), or (rows, 2, Q) where they depend on the variety class V = 0, 1."""

    @property
    def signal(self) -> str: ...
    @property
    def by_variety(self) -> bool: ...

    def prior(self) -> Prior: ...
    def directions(self) -> list[Direction]: ...
    def features(self, rows: Rows) -> Any: ...
    def table(self, theta: Floats) -> Floats: ...
    def score(self, theta: Floats) -> Floats: ...
    def pull(self, theta: Floats, weights: Floats) -> Floats:
        """The gradient by θ of Σ weights·table: weights of the table's shape."""
        ...


def nearest(levels: Floats, values: Floats) -> Codes:
    """(n,) places in evenly spaced levels."""
    if len(levels) == 1:
        return np.zeros(len(values), np.int64)
    place = np.rint((values - levels[0]) / (levels[1] - levels[0])).astype(np.int64)
    return np.asarray(np.clip(place, 0, len(levels) - 1))


class Entries:
    """Collects (answer, table row, value) triples into a sparse matrix."""

    def __init__(self, answers: int, table_rows: int) -> None:
        self.shape = (answers, table_rows)
        self.parts: list[tuple[Codes, Codes, Floats]] = []

    def add(self, chosen: NDArray[np.bool_], column: Codes | int, value: Floats | float = 1.0) -> None:
        """`column` and `value` hold for all answers; those of the chosen are taken."""
        at = np.flatnonzero(chosen)
        columns = np.broadcast_to(column, chosen.shape)[at]
        self.parts.append((at, columns, np.broadcast_to(value, chosen.shape)[at].astype(float)))

    def matrix(self) -> Any:
        at, columns, values = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        return sparse.csr_matrix((values, (at, columns)), shape=self.shape)
