"""How often a user does a thing, beside the others: a restless user's answers are not worse for it.

Gamma–Poisson: a user's acts ~ Poisson(m·expected), m ~ Gamma with mean 1 and variance v. v comes from moments and
is 0 unless it stands out; m is shrunk: (acts + 1/v) / (expected + 1/v). Users' own numbers are never kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unspoken.signals.factor.terms import Codes, Floats

STANDS_OUT = 3.0  # sd of what chance alone gives
TOPIC_WEIGHT = 20.0  # acts' worth of the common rate in each topic's own


@dataclass(frozen=True)
class Habit:
    """Acts per unit of risk by topic, and the variance of users' multiples."""

    rates: Sequence[float]
    variance: float

    def log_multiples(self, acts: Floats, risk: Floats, topics: Codes, users: Codes) -> Floats:
        """(n,) log m of each row's user; 0 for nobody (−1). `risk`: seconds, or 1 where the act was possible, else
        0.
        """
        if self.variance == 0:
            return np.zeros(len(acts))
        own = users >= 0
        size = int(users.max(initial=-1)) + 1
        expected = risk * np.asarray(self.rates)[topics]
        done = np.bincount(users[own], weights=acts[own], minlength=size)
        due = np.bincount(users[own], weights=expected[own], minlength=size)
        multiple = (done + 1 / self.variance) / (due + 1 / self.variance)
        return np.where(own, np.log(multiple)[users] if size else 0.0, 0.0)


def fit_habit(acts: Floats, risk: Floats, topics: Codes, users: Codes, size: int) -> Habit:
    """Rates of the `size` topics and the variance between users. `acts` and `risk` are 0 where nothing is known."""
    at_risk = np.bincount(topics, weights=risk, minlength=size)
    done = np.bincount(topics, weights=acts, minlength=size)
    common = float(done.sum()) / max(float(at_risk.sum()), 1e-9)
    rates = (done + TOPIC_WEIGHT) / (at_risk + TOPIC_WEIGHT / max(common, 1e-9))
    own = users >= 0
    expected = (risk * rates[topics])[own]
    due = np.bincount(users[own], weights=expected)
    chance = np.bincount(users[own], weights=expected)  # what a Poisson has; an act that is no hazard has less
    beyond = (np.bincount(users[own], weights=acts[own]) - due) ** 2 - chance
    total = float(beyond.sum())
    spread = float(np.sqrt((2 * chance**2 + chance).sum()))
    variance = total / max(float((due**2).sum()), 1e-9) if total > STANDS_OUT * spread else 0.0
    return Habit(rates.tolist(), variance)
