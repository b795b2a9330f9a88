"""Dwell, pause and latency: residuals of their log-linear model (paces), which depend on the worth with free sign."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from unspoken.signals.factor.terms import EFFECT_SD, GRID, SLOPE_SD, Direction, Entries, Floats, Prior, Q, Rows, nearest

EXACT = 6  # table rows of times that are known exactly
FARTHEST, WIDEST = 100.0, 5.0  # |mean| and |log σ|: the search may try what no residual is
LIMITS: Floats = np.linspace(-4.0, 4.0, 33)  # where a censored residual may stand; it goes to the nearest
# Residuals vary by 1: a fifth of that is the worth's, give or take a seventh. Only rare acts tell that share, weakly,
# and where they tell it wrong (for whoever wants another answer also reads less) a time alone would judge the answers.
LOG_SD, LOG_SD_SD = -0.1, 0.08
# Where the search for c starts: from 0 it may end where V is for something else and the worth is what shortens the
# reading of whoever wants another answer.
READS_LESS = -1.0
LENGTHS: Floats = np.linspace(-2.0, 2.0, 9)  # likewise how long its answer is
BENDS = 5  # where q stands in θ
BEND, BEND_SD = GRID**2 - 1, 0.2
# Errors of a bend that is none of chance. Three are not enough: in worlds without a bend, but with few acts to know the
# worth by, those of pauses and latencies lean on one another and come to 3.8.
STANDS_OUT = 4.0


@dataclass(frozen=True)
class Time:
    """z = a + d·u + q·(u² − 1) + c·V + g·length + e, e ~ N(0, σ²); q is 0 unless `bent`.

    The pace has taken out how time grows with length, and with it how the worth does; g puts that part back.
    Of censored residuals (dwell alone) only a lower limit is known: they count as Φ of the distance to it.
    """

    signal: str
    by_variety: bool
    bent: bool = False

    def prior(self) -> Prior:
        """θ = a, d, c, log σ, g, q."""
        mean = np.array([0.0, 0.0, 0.0, LOG_SD, 0.0, 0.0])
        sd = np.array([1.0, SLOPE_SD, SLOPE_SD, LOG_SD_SD, EFFECT_SD, BEND_SD])
        start = mean + np.array([0.0, 0.0, READS_LESS, 0.0, 0.0, 0.0])
        return Prior(start, mean, sd, np.full(6, np.inf))

    def directions(self) -> list[Direction]:
        slope, bend = Direction("slope", 1, GRID[None]), Direction("bend", BENDS, BEND[None])
        variety = Direction("variety", 2, np.array([[0.0], [1.0]]) + np.zeros(Q))
        return [slope, *([bend] if self.bent else []), *([variety] if self.by_variety else [])]

    def features(self, rows: Rows) -> Any:
        """Table rows: z², z, 1, z·length, length, length²; then at least each limit, by length."""
        z = rows.known[self.signal]
        censored = np.isfinite(z) & rows.censored & (self.signal == "dwell")
        exact = np.isfinite(z) & ~censored
        entries = Entries(len(rows), EXACT + len(LIMITS) * len(LENGTHS))
        length = np.where(np.isfinite(rows.length), rows.length, 0.0)
        for column, value in enumerate((z * z, z, np.ones(len(rows)), z * length, length, length**2)):
            entries.add(exact, column, value)
        limit = nearest(LIMITS, np.where(np.isfinite(z), z, 0.0))
        entries.add(censored, EXACT + limit * len(LENGTHS) + nearest(LENGTHS, length))
        return entries.matrix()

    def table(self, theta: Floats) -> Floats:
        mean, log_sd, by_length = self._mean(theta), self._log_sd(theta), self._by_length(theta)
        sd = np.exp(log_sd)
        one = np.ones_like(mean)
        exact = np.stack(
            [
                -0.5 * one,
                mean,
                -0.5 * mean**2 - sd**2 * (log_sd + 0.5 * np.log(2 * np.pi)),
                by_length * one,
                -by_length * mean,
                -0.5 * by_length**2 * one,
            ]
        ) / (sd**2)
        return self._shaped(np.concatenate([exact, log_ndtr(self._beyond(theta))]))

    def score(self, theta: Floats) -> Floats:
        """By the mean."""
        mean, sd, by_length = self._mean(theta), np.exp(self._log_sd(theta)), self._by_length(theta)
        zero = np.zeros_like(mean)
        exact = np.stack([zero, zero + 1, -mean, zero, zero - by_length, zero]) / sd**2
        return self._shaped(np.concatenate([exact, mills(self._beyond(theta)) / sd]))

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        mean, log_sd = self._mean(theta), self._log_sd(theta)
        sd = np.exp(log_sd)
        weights = weights.reshape(len(weights), -1, Q)
        scored = weights * self.score(theta).reshape(weights.shape)
        by_mean = scored.sum(0)
        exact = weights[:EXACT]
        beyond = self._beyond(theta)
        by_log_sd = (
            -2 * (exact * self.table(theta).reshape(weights.shape)[:EXACT]).sum()
            - exact[2].sum() * (1 + 2 * (log_sd + 0.5 * np.log(2 * np.pi)))
            - (weights[EXACT:] * mills(beyond) * beyond).sum()
        )
        at_length = scored[EXACT:].reshape(len(LIMITS), len(LENGTHS), -1).sum((0, 2)) @ LENGTHS
        of_exact = exact[3].sum() - (exact[4] * mean).sum() - self._by_length(theta) * exact[5].sum()
        varied = float(by_mean[1].sum()) if self.by_variety else 0.0
        total = by_mean.sum(0)
        bent = float(total @ BEND) if self.bent else 0.0
        return np.array([total.sum(), total @ GRID, varied, by_log_sd, of_exact / sd**2 + at_length, bent])

    def _mean(self, theta: Floats) -> Floats:
        """(1 or 2, Q), by V."""
        plain = theta[0] + theta[1] * GRID + theta[BENDS] * BEND
        by_variety = np.stack([plain, plain + theta[2]]) if self.by_variety else plain[None]
        return np.asarray(np.clip(by_variety, -FARTHEST, FARTHEST))

    def _log_sd(self, theta: Floats) -> float:
        return float(np.clip(theta[3], -WIDEST, WIDEST))

    def _by_length(self, theta: Floats) -> float:
        return float(np.clip(theta[4], -WIDEST, WIDEST))

    def _beyond(self, theta: Floats) -> Floats:
        """(limits · lengths, V, Q): how far the mean stands above each limit, in σ."""
        above = (self._by_length(theta) * LENGTHS - LIMITS[:, None]).reshape(-1, 1, 1)
        return np.asarray((self._mean(theta) + above) / np.exp(self._log_sd(theta)))

    def _shaped(self, table: Floats) -> Floats:
        return table if self.by_variety else table[:, 0]


def mills(x: Floats) -> Floats:
    """φ(x)/Φ(x)."""
    return np.asarray(np.exp(-0.5 * x**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(x)))
