"""Is it one thing? Loadings with their errors, what the factor leaves between signals, and the model without each.

The factor is a claim (science: §4); these numbers are stored with it for the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import ndtri

from unspoken.signals.factor.likelihood import Likelihood, log_odds, maximise, posterior, times
from unspoken.signals.factor.terms import Codes, Direction, Floats

BAND = 0.95  # that all pairs of signals hold together (Bonferroni)
NEGLIGIBLE = 0.05  # a residual correlation: it explains a quarter of a per cent
REFIT_STEPS = 15  # of the search: it starts where the whole model ended
ENOUGH_USERS = 20  # for a band: with fewer clusters it is far too narrow
BEYOND = float(-ndtri(0.025))  # errors: a declared slope that the data know
ENOUGH_TOGETHER = 20  # answers that do, and that do not, of those of which both signals are known


@dataclass(frozen=True)
class Loading:
    """One slope of a signal. of: slope, bend (q) or variety (c); topic: the only one it holds in, "" for none."""

    signal: str
    of: str
    topic: str | None
    value: float
    se: float


@dataclass(frozen=True)
class Residual:
    """The correlation that the factor leaves between two signals, 0 if they measure one thing, and its half band.

    band: null with fewer than 20 users.
    """

    first: str
    second: str
    correlation: float
    band: float | None
    answers: int


@dataclass(frozen=True)
class Refit:
    """The model fitted without one signal: how its log-odds correlate with those of the whole."""

    without: str
    correlation: float


@dataclass(frozen=True)
class Scored:
    """What each answer says of each slope and intercept: `columns` (n, k), their places, and their covariance (k,
    k).
    """

    columns: Floats
    places: Sequence[tuple[int, Direction]]  # (number of the term, slope); intercepts stand behind the slopes
    covariance: Floats
    residuals: Sequence[Floats]  # per term (n, 1 or 2, Q): its score by its predictor at each point


def scored(likelihood: Likelihood, thetas: Sequence[Floats], topics: Codes, users: Codes) -> Scored:
    """Scores of a fitted model. Covariance: H⁻¹·B·H⁻¹ with H = Σ s·sᵀ + prior precision and B the same summed by user:
    a slope of which the data say nothing has the sd of its prior.

    `users` of −1 stand for themselves.
    """
    weights, _ = posterior(likelihood.log_joint(thetas))
    residuals, columns, places, intercepts, precision = [], [], [], [], []
    for n, term in enumerate(likelihood.terms):
        residual = times(likelihood.features[n], term.score(thetas[n]))
        residuals.append(residual)
        expected = residual * _mass(residual, weights)
        sd = term.prior().sd
        by_name: dict[str, Floats] = {}
        for direction in term.directions():
            if direction.of not in by_name:
                basis = np.broadcast_to(direction.basis, expected.shape[1:])
                by_name[direction.of] = expected.reshape(len(expected), -1) @ basis.ravel()
            column = by_name[direction.of]
            columns.append(column if direction.topic is None else np.where(topics == direction.topic, column, 0.0))
            places.append((n, direction))
            precision.append(sd[direction.place] ** -2)
        if term.directions():
            intercepts.append(expected.sum((1, 2)))
    all_columns = np.stack([*columns, *intercepts], 1)
    prior = np.diag([*precision, *np.full(len(intercepts), 1e-6)])
    bread = np.linalg.inv(all_columns.T @ all_columns + prior)
    by_user = sum_by_user(all_columns, users)
    return Scored(all_columns, places, bread @ (by_user.T @ by_user + prior) @ bread, residuals)


def loadings(likelihood: Likelihood, thetas: Sequence[Floats], found: Scored, topics: Sequence[str]) -> list[Loading]:
    """Each slope with its standard error; `topics`: names by code. A slope of "" without an answer is left out."""
    se = np.sqrt(np.diag(found.covariance))
    return [
        Loading(
            likelihood.terms[n].signal,
            d.of,
            None if d.topic is None else topics[d.topic],
            float(thetas[n][d.place]),
            float(se[k]),
        )
        for k, (n, d) in enumerate(found.places)
        if d.topic != 0 or found.columns[:, k].any()
    ]


def sign_is_known(likelihood: Likelihood, thetas: Sequence[Floats], found: Scored) -> bool:
    """Whether the data by themselves, 95 % sure, make the slope of regenerate negative; without one, that of stop.

    Stop counts only then: it speaks through who survives, and a slope of close of the other sign looks the same.
    The fitted slope b with variance v is the mean of its prior N(m, τ²) and of the data's own estimate, weighted by
    their precisions: that of the data is 1/v − 1/τ², their estimate b + (b − m)/τ² over it.
    """
    place = {likelihood.terms[n].signal: k for k, (n, _) in enumerate(found.places)}
    k = place["regenerate" if "regenerate" in place else "stop"]
    n, direction = found.places[k]
    prior, b = likelihood.terms[n].prior(), thetas[n][direction.place]
    declared = prior.sd[direction.place] ** -2
    own = 1 / found.covariance[k, k] - declared
    return bool(own > 0 and (b + (b - prior.mean[direction.place]) * declared / own) * np.sqrt(own) < -BEYOND)


def residual_correlations(
    likelihood: Likelihood,
    thetas: Sequence[Floats],
    known: dict[str, Floats],
    found: Scored,
    users: Codes,
    beside: str | None = None,
) -> list[Residual]:
    """The correlation of each pair's residuals among the answers of which both are known, and its half band.

    `beside`: only the pairs of this signal.

    r = Σ E[eᵢ·eⱼ] / √(Σ E[eᵢ²]·Σ E[eⱼ²]), expectations over (V, u) given all acts: a correlation, so within ± 1, and 0
    in expectation if the acts are independent given (u, V). It is a lower bound in size: the posterior takes part of a
    tie for worth. The band comes from the users' sums, of which what slopes and intercepts take up is projected out.
    """
    weights, _ = posterior(likelihood.log_joint(thetas))
    signals = [(n, term.signal) for n, term in enumerate(likelihood.terms) if term.directions()]
    every = [pair for pair in combinations(signals, 2) if beside is None or beside in (pair[0][1], pair[1][1])]
    pairs = [(a, b) for a, b in every if _both_vary(known[a[1]], known[b[1]])]
    width = float(-ndtri((1 - BAND) / 2 / max(len(pairs), 1)))
    inverse = np.linalg.pinv(found.columns.T @ found.columns)
    result = []
    for (j, first), (k, second) in pairs:
        together = np.isfinite(known[first]) & np.isfinite(known[second])
        one, other = found.residuals[j], found.residuals[k]
        score = _expected(one * other, weights)
        sizes = [float(_expected(residual**2, weights)[together].sum()) for residual in (one, other)]
        scale = float(np.sqrt(sizes[0] * sizes[1]))
        own = score - found.columns @ (inverse @ (found.columns.T @ score))
        spread = float(np.sqrt((sum_by_user(own[:, None], users) ** 2).sum())) / scale
        band = width * spread if len(np.unique(_clusters(users)[together])) >= ENOUGH_USERS else None
        result.append(Residual(first, second, float(score.sum()) / scale, band, int(together.sum())))
    return result


def refits(likelihood: Likelihood, thetas: Sequence[Floats], declared: Sequence[str]) -> list[Refit]:
    """The model without each signal in turn, from where the whole one ended; one that alone fixes the sign stays in."""
    whole = log_odds(posterior(likelihood.log_joint(thetas))[0])
    fixing = [term.signal for term in likelihood.terms if term.signal in declared]
    result = []
    for n, term in enumerate(likelihood.terms):
        if term.directions() and fixing != [term.signal]:
            rest = Likelihood(_without(likelihood.terms, n), _without(likelihood.features, n))
            found, _ = maximise(rest, _without(thetas, n), steps=REFIT_STEPS)
            lo = log_odds(posterior(rest.log_joint(found))[0])
            result.append(Refit(term.signal, float(np.corrcoef(whole, lo)[0, 1]) if lo.std() > 0 else 0.0))
    return result


def sentence(residuals: Sequence[Residual]) -> str | None:
    """What the residual correlations say, where they are beyond their band and not negligible."""
    told = ((r, r.band) for r in residuals if r.band is not None and abs(r.correlation) > max(r.band, NEGLIGIBLE))
    beyond = sorted(told, key=lambda each: -abs(each[0].correlation))
    if not beyond:
        return None
    named = ", ".join(f"{r.first} with {r.second} {r.correlation:+.2f} (± {band:.2f})" for r, band in beyond)
    return f"These behaviours do not measure one thing: the factor leaves {named}. Publish per signal."


def sum_by_user(columns: Floats, users: Codes) -> Floats:
    """(clusters, k): sums of each user's rows; rows of −1 are clusters of their own."""
    _, dense = np.unique(_clusters(users), return_inverse=True)
    return np.stack([np.bincount(dense, weights=column) for column in columns.T], 1)


def _clusters(users: Codes) -> Codes:
    """(n,) codes, of each row of −1 its own."""
    return np.where(users >= 0, users, users.max(initial=-1) + 1 + np.arange(len(users)))


def _both_vary(first: Floats, second: Floats) -> bool:
    """Whether the same answers show both of both: of two acts that exclude each other nothing can be said."""
    together = np.isfinite(first) & np.isfinite(second)
    return all(
        min((part[together] > 0).sum(), (part[together] <= 0).sum()) >= ENOUGH_TOGETHER for part in (first, second)
    ) and bool(((first > 0) & (second > 0) & together).any())


def _expected(values: Floats, weights: Floats) -> Floats:
    """(n,) expectations of (n, 1 or 2, Q) values."""
    return np.asarray((values * _mass(values, weights)).sum((1, 2)))


def _mass(values: Floats, weights: Floats) -> Floats:
    """Weights of (n, 1 or 2, Q) values."""
    return weights if values.shape[1] == 2 else weights.sum(1, keepdims=True)


def _without(of: Sequence[Any], number: int) -> list[Any]:
    return [*of[:number], *of[number + 1 :]]
