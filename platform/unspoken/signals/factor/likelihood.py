"""The marginal likelihood of all signals together, and what it says of each answer's worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from unspoken.signals.factor.terms import LOG_PRIOR, Floats, Q, Rows, Term

STEPS = 150  # of the quasi-Newton search at most; it mostly ends earlier
STEP = 1e-4  # of differences
SURE = 1e-6  # P(u > 0) stays this far from 0 and 1


@dataclass(frozen=True)
class Likelihood:
    """Terms and their features of the same answers. θ is one array per term."""

    terms: Sequence[Term]
    features: Sequence[Any]

    @staticmethod
    def of(terms: Sequence[Term], rows: Rows) -> "Likelihood":
        return Likelihood(terms, [term.features(rows) for term in terms])

    def said(self, number: int, theta: Floats) -> Floats:
        """(n, 1 or 2, Q): what one term says of each answer, by V where it depends on it."""
        return times(self.features[number], self.terms[number].table(theta))

    def log_joint(self, thetas: Sequence[Floats]) -> Floats:
        """(n, 2, Q): log P(acts, V, u) on the grid."""
        total = np.empty((self.features[0].shape[0], 2, Q))
        total[:] = LOG_PRIOR
        for chosen, features, _ in self._stacks:
            total += times(features, np.concatenate([self.terms[n].table(thetas[n]) for n in chosen]))
        return total

    def value(self, thetas: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """The log-likelihood and its gradients: by Fisher's identity, expectations of the complete data's score."""
        evidence, masses = self.expected(thetas)
        return evidence, [term.pull(theta, mass) for term, theta, mass in zip(self.terms, thetas, masses, strict=True)]

    def expected(self, thetas: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """The log-likelihood, and per term the expected features at each point of the grid, of its table's shape."""
        weights, evidence = posterior(self.log_joint(thetas))
        masses: list[Floats] = [np.empty(0)] * len(self.terms)
        for chosen, _, transposed in self._stacks:
            by_variety = self.terms[chosen[0]].by_variety
            mass = weights.reshape(-1, 2 * Q) if by_variety else weights.sum(1)
            pulled = np.asarray(transposed @ mass).reshape(-1, *((2, Q) if by_variety else (Q,)))
            first = 0
            for n in chosen:
                last = first + self.features[n].shape[1]
                masses[n] = pulled[first:last]
                first = last
        return float(evidence.sum()), masses

    @cached_property
    def _stacks(self) -> list[tuple[list[int], Any, Any]]:
        """Terms that know V and those that do not: their numbers, features side by side, and the same transposed."""
        stacks = []
        for by_variety in (False, True):
            chosen = [n for n, term in enumerate(self.terms) if term.by_variety == by_variety]
            if chosen:
                features = sparse.hstack([self.features[n] for n in chosen], format="csr")
                stacks.append((chosen, features, features.T.tocsr()))
        return stacks


def posterior(log_joint: Floats) -> tuple[Floats, Floats]:
    """((n, 2, Q) P(V, u | acts), (n,) log P(acts))."""
    highest = log_joint.max(axis=(1, 2), keepdims=True)
    weights = np.exp(log_joint - highest)
    total = weights.sum(axis=(1, 2), keepdims=True)
    weights /= total
    return weights, (np.log(total) + highest)[:, 0, 0]


def maximise(likelihood: Likelihood, start: Sequence[Floats], steps: int = STEPS) -> tuple[list[Floats], float]:
    """(θ, log posterior density) at its mode from `start`.

    EM by its gradient: the expectation step gives the exact gradient of the marginal likelihood, and L-BFGS-B takes the
    place of the maximisation step, because EM itself crawls where as much is missing as here. Each parameter is
    measured by the complete data's curvature at the start: acts of a per cent and times of all answers are far apart.
    """
    priors = [term.prior() for term in likelihood.terms]
    mean, sd, highest = (np.concatenate([getattr(p, part) for p in priors]) for part in ("mean", "sd", "highest"))
    ends = np.cumsum([len(part) for part in start])[:-1]
    scale = 1 / max(likelihood.features[0].shape[0], 1)
    unit = 1 / np.sqrt(_curvature(likelihood, start) + sd**-2)

    def minus(x: Floats) -> tuple[float, Floats]:
        theta = x * unit
        value, gradients = likelihood.value(np.split(theta, ends))
        z = (theta - mean) / sd
        gradient = np.concatenate(gradients) - z / sd
        return -(value - 0.5 * float(z @ z)) * scale, -gradient * unit * scale

    bounds = [(None, None if np.isinf(high) else high) for high in highest / unit]
    found = minimize(
        minus, np.concatenate(list(start)) / unit, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": steps, "ftol": 1e-8, "gtol": 1e-7, "maxcor": 20},
    )  # fmt: skip
    return np.split(found.x * unit, ends), -float(found.fun) / scale


def _curvature(likelihood: Likelihood, thetas: Sequence[Floats]) -> Floats:
    """(n_parameters,) minus the second derivatives of the complete data's log-likelihood: differences of its score."""
    found = []
    for term, theta, mass in zip(likelihood.terms, thetas, likelihood.expected(thetas)[1], strict=True):
        for place, step in enumerate(STEP * np.eye(len(theta))):
            ends = [term.pull(theta + side * step, mass)[place] for side in (-1, 1)]
            found.append(max((ends[0] - ends[1]) / (2 * STEP), 0.0))
    return np.array(found)


def times(features: Any, table: Floats) -> Floats:
    """(n, 1 or 2, Q): each answer's sum over the table rows that it has."""
    return np.asarray(features @ np.ascontiguousarray(table).reshape(len(table), -1)).reshape(features.shape[0], -1, Q)


def log_odds(weights: Floats) -> Floats:
    """(n,) logit P(u > 0) from (n, 2, Q): the trapezoid rule from 0 on, with its first correction at that end."""
    worth = weights.sum(1)
    middle = Q // 2
    above = worth[:, middle + 1 :].sum(1) + 0.5 * worth[:, middle]
    above = np.clip(above + (worth[:, middle + 1] - worth[:, middle - 1]) / 24, SURE, 1 - SURE)
    return np.asarray(np.log(above / (1 - above)))
