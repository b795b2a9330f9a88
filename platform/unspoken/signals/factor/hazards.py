"""Stop and close while an answer is written: competing hazards over the visible seconds at risk."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from unspoken.signals.factor.terms import (
    DECLARED_SD,
    EFFECT_SD,
    GRID,
    INTERCEPT_SD,
    TOPIC_SLOPE_SD,
    Direction,
    Entries,
    Floats,
    Prior,
    Q,
    Rows,
)

FASTEST = 20.0  # log of acts per second: the search may try what no hazard is


@dataclass(frozen=True)
class Hazard:
    """log h(t) = γ_piece(t) + topic + device + b·u; δ·log h − ∫h over the time at risk (science: §4).

    `edges` (s) part the baseline's pieces. Completion, the other cause and a lost connection censor: they end the time
    at risk. `by_topic`: a slope per topic, shrunk to 0, of free sign (good abandonment is a topic with b ≥ 0).
    Where events were lost, a share `loss` of them, the seconds without an act count for that much less.
    """

    signal: str
    topics: int
    devices: int
    edges: tuple[float, ...]
    rate: float  # acts per second, where the baseline starts
    start: float  # of the slope; where it is one for all topics, its declared value too
    by_topic: bool
    loss: float
    by_variety = False

    @property
    def _pieces(self) -> int:
        return len(self.edges) + 1

    def prior(self) -> Prior:
        """θ = γ of the pieces, slope(s), topics, devices."""
        slopes = self.topics if self.by_topic else 1
        effects = self.topics + self.devices
        base = np.full(self._pieces, np.log(self.rate))
        mean = np.concatenate([base, np.zeros(slopes + effects)])
        start = mean.copy()
        start[self._pieces : self._pieces + slopes] = self.start
        highest = np.full(len(mean), np.inf)
        if not self.by_topic:
            mean[self._pieces], highest[self._pieces] = self.start, 0.0
        sd = [
            np.full(self._pieces, INTERCEPT_SD),
            np.full(slopes, TOPIC_SLOPE_SD if self.by_topic else DECLARED_SD),
            np.full(effects, EFFECT_SD),
        ]
        return Prior(start, mean, np.concatenate(sd), highest)

    def directions(self) -> list[Direction]:
        if not self.by_topic:
            return [Direction("slope", self._pieces, GRID[None])]
        return [Direction("slope", self._pieces + topic, GRID[None], topic) for topic in range(self.topics)]

    def features(self, rows: Rows) -> Any:
        """Seconds at risk, then acts, each by piece, topic and device; last, by topic, acts whose time is not known."""
        group = rows.topic * self.devices + rows.device
        groups = self.topics * self.devices
        y, seconds = rows.known[self.signal], rows.at_risk_s
        timed = np.isfinite(y) & np.isfinite(seconds)
        counted = np.where(timed, seconds * np.exp(rows.habit[self.signal]), 0.0)
        counted = np.where(rows.unsure & (y == 0), (1 - self.loss) * counted, counted)
        share = np.where(timed & (seconds > 0), counted / np.where(seconds > 0, seconds, 1.0), 0.0)
        bounds = (0.0, *self.edges, np.inf)
        entries = Entries(len(rows), 2 * self._pieces * groups + self.topics)
        for piece, (low, high) in enumerate(itertools.pairwise(bounds)):
            inside = np.clip(np.where(timed, seconds, 0.0), low, high) - low
            entries.add(inside > 0, piece * groups + group, inside * share)
            entries.add(timed & (y > 0) & (seconds >= low) & (seconds < high), (self._pieces + piece) * groups + group)
        entries.add(~timed & (y > 0), 2 * self._pieces * groups + rows.topic)
        return entries.matrix()

    def table(self, theta: Floats) -> Floats:
        eta = self._eta(theta)
        untimed = np.broadcast_to(self._slopes(theta)[:, None] * GRID, (self.topics, Q))
        return np.concatenate([-np.exp(eta), eta, untimed])

    def score(self, theta: Floats) -> Floats:
        eta = self._eta(theta)
        return np.concatenate([-np.exp(eta), np.ones_like(eta), np.ones((self.topics, Q))])

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        scored = weights * self.score(theta)
        timed = scored[: -self.topics].reshape(2, self._pieces, self.topics, self.devices, Q).sum(0)
        slopes = (timed.sum((0, 2)) + scored[-self.topics :]) @ GRID
        total = timed.sum(3)
        return np.concatenate(
            [
                total.sum((1, 2)),
                slopes if self.by_topic else [slopes.sum()],
                total.sum((0, 2)),
                total.sum((0, 1)),
            ]
        )

    def _slopes(self, theta: Floats) -> Floats:
        """(topics,)"""
        last = self._pieces + (self.topics if self.by_topic else 1)
        return np.broadcast_to(theta[self._pieces : last], (self.topics,))

    def _eta(self, theta: Floats) -> Floats:
        """(pieces · topics · devices, Q)."""
        after = self._pieces + (self.topics if self.by_topic else 1)
        topic, device = theta[after : after + self.topics], theta[after + self.topics :]
        level = theta[: self._pieces, None, None] + topic[:, None] + device
        eta = (level[..., None] + self._slopes(theta)[:, None, None] * GRID).reshape(-1, Q)
        return np.minimum(eta, FASTEST)
