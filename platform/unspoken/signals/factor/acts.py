"""Acts that happen or not, and the class of answers that are regenerated for variety's sake."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit, log_expit

from unspoken.signals.factor.terms import (
    DECLARED_SD,
    EFFECT_SD,
    GRID,
    INTERCEPT_SD,
    LEVELS,
    SLOPE_SD,
    Direction,
    Entries,
    Floats,
    Prior,
    Q,
    Rows,
    nearest,
)


@dataclass(frozen=True)
class Act:
    """logit P(act) = a + b·u + topic + the user's habit.

    Where events were lost, a share `loss` of them, P(not seen) = 1 − (1 − loss)·P(act).
    """

    signal: str
    topics: int
    rate: float  # of the act, where the intercept starts
    start: float  # of the slope
    declared: bool  # the slope is negative: it fixes the sign of the factor
    loss: float
    habitual: bool  # some users do it more than others
    by_variety = False

    @property
    def _levels(self) -> Floats:
        return LEVELS if self.habitual else np.zeros(1)

    def prior(self) -> Prior:
        """θ = a, b, topics."""
        zero = np.zeros(self.topics)
        base = float(np.log(self.rate / (1 - self.rate)))
        return Prior(
            np.concatenate([[base, self.start], zero]),
            np.concatenate([[base, self.start * self.declared], zero]),
            np.concatenate([[INTERCEPT_SD, DECLARED_SD if self.declared else SLOPE_SD], zero + EFFECT_SD]),
            np.concatenate([[np.inf, 0.0 if self.declared else np.inf], zero + np.inf]),
        )

    def directions(self) -> list[Direction]:
        return [Direction("slope", 1, GRID[None])]

    def features(self, rows: Rows) -> Any:
        """Three blocks of rows, each by topic and habit: the act; at risk of it; not seen where events were lost."""
        cells = self.topics * len(self._levels)
        cell = rows.topic * len(self._levels) + nearest(self._levels, rows.habit[self.signal])
        y = rows.known[self.signal]
        missed = rows.unsure & (y == 0)
        entries = Entries(len(rows), 3 * cells)
        entries.add(y > 0, cell)
        entries.add(np.isfinite(y) & ~missed, cell + cells)
        entries.add(missed, cell + 2 * cells)
        return entries.matrix()

    def table(self, theta: Floats) -> Floats:
        return _outcomes(self._eta(theta), self.loss).reshape(-1, Q)

    def score(self, theta: Floats) -> Floats:
        return _outcome_scores(self._eta(theta), self.loss).reshape(-1, Q)

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        scored = (weights * self.score(theta)).reshape(3, self.topics, len(self._levels), Q).sum((0, 2))
        by_topic = scored.sum(1)
        return np.concatenate([[by_topic.sum(), scored.sum(0) @ GRID], by_topic])

    def _eta(self, theta: Floats) -> Floats:
        """(topics · levels, Q)."""
        level = theta[0] + theta[2:, None] + self._levels
        return np.asarray(level.reshape(-1, 1) + theta[1] * GRID)


@dataclass(frozen=True)
class Regenerate:
    """After reading: an act if V = 0, a constant if V = 1. Unread: a constant of V, for whoever was shown the answer.

    The order matters. Who regenerates unread does so before a stop, so all answers are at risk of it; were only those
    that came out whole, their short time at risk would look like a likeness of stop and regenerate.
    """

    act: Act
    by_variety = True
    # Logits given V = 1 of a regenerate after reading, then given V = 0 and V = 1 of an unread one: their priors.
    MEANS, SDS = (-1.0, -5.0, -1.0), (0.7, 1.0, 2.0)

    @property
    def signal(self) -> str:
        return self.act.signal

    def prior(self) -> Prior:
        """θ = that of the act, then the three logits."""
        act = self.act.prior()
        return Prior(
            np.concatenate([act.start, self.MEANS]),
            np.concatenate([act.mean, self.MEANS]),
            np.concatenate([act.sd, self.SDS]),
            np.concatenate([act.highest, np.full(3, np.inf)]),
        )

    def directions(self) -> list[Direction]:
        return self.act.directions()

    def features(self, rows: Rows) -> Any:
        """The rows of the act, then: regenerated unread, and not."""
        unread = rows.known["unread"]
        entries = Entries(len(rows), 2)
        entries.add(unread > 0, 0)
        entries.add((unread == 0) & ~rows.unsure, 1)
        return sparse.hstack([self.act.features(rows), entries.matrix()], format="csr")

    def table(self, theta: Floats) -> Floats:
        acted = self.act.table(theta[:-3])
        constant = np.repeat(_outcomes(theta[-3], self.act.loss), len(acted) // 3)
        hasty = np.stack([log_expit(theta[-2:]), log_expit(-theta[-2:])])
        return np.concatenate(
            [
                np.stack([acted, np.broadcast_to(constant[:, None], acted.shape)], 1),
                np.broadcast_to(hasty[:, :, None], (2, 2, Q)),
            ]
        )

    def score(self, theta: Floats) -> Floats:
        """By the act's predictor, which counts where V = 0 alone."""
        acted = self.act.score(theta[:-3])
        return np.concatenate([np.stack([acted, np.zeros_like(acted)], 1), np.zeros((2, 2, Q))])

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        acted, hasty = weights[:-2], weights[-2:].sum(2)
        varied = acted[:, 1].reshape(3, -1).sum(1) @ _outcome_scores(theta[-3], self.act.loss)
        unread = hasty[0] - hasty.sum(0) * expit(theta[-2:])
        return np.concatenate([self.act.pull(theta[:-3], acted[:, 0]), [varied], unread])


@dataclass(frozen=True)
class Variety:
    """V ~ Bernoulli(π_topic): whether the user wants another answer, whatever this one is worth."""

    topics: int
    signal = "variety"
    by_variety = True
    MEAN, SD = -2.5, 0.7

    def prior(self) -> Prior:
        """θ = logit of π, topics."""
        mean = np.concatenate([[self.MEAN], np.zeros(self.topics)])
        sd = np.concatenate([[self.SD], np.full(self.topics, EFFECT_SD)])
        return Prior(mean, mean, sd, np.full(1 + self.topics, np.inf))

    def directions(self) -> list[Direction]:
        return []

    def features(self, rows: Rows) -> Any:
        entries = Entries(len(rows), self.topics)
        entries.add(np.ones(len(rows), bool), rows.topic)
        return entries.matrix()

    def table(self, theta: Floats) -> Floats:
        eta = theta[0] + theta[1:]
        return np.broadcast_to(np.stack([log_expit(-eta), log_expit(eta)], 1)[:, :, None], (self.topics, 2, Q))

    def score(self, theta: Floats) -> Floats:
        return np.zeros((self.topics, 2, Q))

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        mass = weights.sum(2)
        by_topic = mass[:, 1] - mass.sum(1) * expit(theta[0] + theta[1:])
        return np.concatenate([[by_topic.sum()], by_topic])


def _outcomes(eta: Any, loss: float) -> Floats:
    """(3, …): log P of the act beside not at risk, of being at risk without it, of not being seen."""
    rest = log_expit(-eta)
    unseen = np.logaddexp(rest, np.log(loss) + log_expit(eta)) if loss > 0 else rest
    return np.stack([eta, rest, unseen])


def _outcome_scores(eta: Any, loss: float) -> Floats:
    """(3, …): the derivatives of `_outcomes` by η."""
    p = expit(eta)
    unseen = -(1 - loss) * p * expit(-eta) / (expit(-eta) + loss * p) if loss > 0 else -p
    return np.stack([np.ones_like(p), -p, unseen])
