"""The ridge-logistic head on frozen features, and what each unit of people adds to it.

Minimises, over w, the intercepts b and the place s, with n = Σ weight and x a difference for pairs,
    Σ weight·BCE(σ(x·w − s·margin + alone·(b₀ + b_user)), p) + ½·ridge·n·|w|² + ½·Σ_user b_user²/σ_b² + ½·κ²·(s − 1)²
(objective of science §6 with linear r). Newton with the users' intercepts eliminated by their Schur complement.

A margin is what an answer's place is worth, κ logits, beside the answers' worth. A model of texts knows a part of that
worth alone; whoever regenerated disliked the rest of the first answer too, which looks like a liking for the place of
the last. So κ is fitted anew beside the weights, s·κ ~ N(κ, 1): what drifts with the place does not get the difference.
"""

from dataclasses import dataclass

import numpy as np

from unspoken.errors import TooLittleData
from unspoken.rewards.records import Records

RIDGE = 0.02  # per unit of label weight, so that arms of different size are shrunk alike
INTERCEPT_VARIANCE = 1.0
_TOLERANCE = 1e-9
_SMALLEST_STEP = 1e-6
MOST_STEPS = 100


@dataclass(frozen=True)
class Fit:
    """w (k,), the common intercept, the place, users' intercepts, and θ = (w, b₀, s)."""

    w: np.ndarray
    common: float
    place: float
    users: np.ndarray
    steps: int

    @property
    def theta(self) -> np.ndarray:
        """(k + 2,): w, then the common intercept, then the place."""
        return np.append(self.w, [self.common, self.place])


def fit(data: Records, ridge: float = RIDGE, multiplicity: np.ndarray | None = None, start: Fit | None = None) -> Fit:
    """The head; `multiplicity` (n,) counts each record that often (a bootstrap replicate).

    A user drawn twice is two people with one intercept each, not one with twice the labels: so does the cheap form.
    TooLittleData when there is nothing to fit, or unpaired labels of one class alone and no pairs.
    """
    weight = data.weight if multiplicity is None else data.weight * multiplicity
    _enough(data, weight)
    k = data.x.shape[1]
    design = _design(data)
    penalty = _penalty(data, ridge * weight.sum())
    n_users = int(data.intercept.max(initial=-1)) + 1
    theta = start.theta.copy() if start else _rest(k)
    users = start.users.copy() if start else np.zeros(n_users)
    prior = _precision(data, multiplicity, n_users)
    loss = _loss(data, design, weight, penalty, prior, theta, users)
    step = 0
    while step < MOST_STEPS:
        step += 1
        g_theta, g_users, hessian, cross, own = _derivatives(data, design, weight, penalty, prior, theta, users)
        reduced = hessian - (cross / own) @ cross.T
        move = np.linalg.solve(reduced, g_theta - cross @ (g_users / own))
        move_users = (g_users - cross.T @ move) / own
        # Newton on a logistic loss overshoots from afar: half the step until it leads downwards.
        scale, lowest = 1.0, loss
        while scale > _SMALLEST_STEP:
            loss = _loss(data, design, weight, penalty, prior, theta - scale * move, users - scale * move_users)
            if loss <= lowest:
                break
            scale /= 2
        theta -= scale * move
        users -= scale * move_users
        if max(float(np.abs(move).max()), float(np.abs(move_users).max(initial=0.0))) < _TOLERANCE:
            break
    return Fit(theta[:k], float(theta[k]), float(theta[k + 1]), users, step)


def unit_influence(data: Records, fitted: Fit, n_units: int, ridge: float = RIDGE) -> np.ndarray:
    """(H − H_u)⁻¹ g_u per unit, shape (n_units, k): w* = w + Σ_u (n_u − 1)·row_u (science §7, the cheap form).

    g_u is minus the unit's gradient at the optimum, H the penalised Hessian, H_u the unit's share of it, both with the
    users' intercepts eliminated.
    """
    k = data.x.shape[1]
    design = _design(data)
    penalty = _penalty(data, ridge * data.weight.sum())
    sigma, left = _residuals(data, design, fitted.theta, fitted.users)
    curvature = data.weight * sigma * (1 - sigma)
    prior = _precision(data, None, len(fitted.users))
    _, _, hessian, cross, own = _derivatives(data, design, data.weight, penalty, prior, fitted.theta, fitted.users)
    whole = hessian - (cross / own) @ cross.T
    influence = np.zeros((n_units, k))
    order = np.argsort(data.unit, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(data.unit[order]) > 0]) if len(order) else np.array([], dtype=int)
    for rows in np.split(order, starts[1:]):
        if not len(rows):
            continue
        x, curve = design[rows], curvature[rows]
        score = -(data.weight[rows] * left[rows]) @ x
        # A resampled unit also changes the penalty's n: ridge is per label.
        score = score - np.append(ridge * data.weight[rows].sum() * fitted.w, [0.0, 0.0])
        share = (x.T * curve) @ x + np.diag(np.append(np.full(k, ridge * data.weight[rows].sum()), [0.0, 0.0]))
        mine = data.intercept[rows]
        if len(mine) and mine[0] >= 0 and (mine == mine[0]).all():
            alone = curve @ x
            share -= np.outer(alone, alone) / (curve.sum() + 1 / INTERCEPT_VARIANCE)
        influence[data.unit[rows[0]]] = np.linalg.solve(whole - share, score)[:k]
    return influence


def _design(data: Records) -> np.ndarray:
    """(n, k + 2): what θ is multiplied with."""
    return np.column_stack([data.x, data.alone, -data.margin])


def _rest(k: int) -> np.ndarray:
    """θ where nothing is known: what the penalty draws it to."""
    return np.append(np.zeros(k + 1), 1.0)


def _penalty(data: Records, ridge: float) -> np.ndarray:
    """(k + 2,): of the weights, of the common intercept (next to none), of the place (κ is known to 1 logit)."""
    kappa = float(np.abs(data.margin).max(initial=0.0))
    return np.append(np.full(data.x.shape[1], ridge), [1e-9, max(kappa, 1.0) ** 2])


def _precision(data: Records, multiplicity: np.ndarray | None, n_users: int) -> np.ndarray:
    """1/σ_b² of each user's intercept, times how often the user is drawn: twins each have one."""
    if multiplicity is None:
        return np.full(n_users, 1 / INTERCEPT_VARIANCE)
    has = data.intercept >= 0
    drawn = np.bincount(data.intercept[has], multiplicity[has], n_users).astype(float)
    drawn /= np.maximum(np.bincount(data.intercept[has], minlength=n_users), 1)
    # Not zero: who is not drawn has no labels, and the intercept of nobody is 0 under any prior.
    return np.asarray(np.maximum(drawn, 1e-6) / INTERCEPT_VARIANCE)


def _derivatives(
    data: Records,
    design: np.ndarray,
    weight: np.ndarray,
    penalty: np.ndarray,
    prior: np.ndarray,
    theta: np.ndarray,
    users: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by θ and users, Hessian of θ, cross block (k + 2, users), diagonal of the users' block."""
    sigma, left = _residuals(data, design, theta, users)
    curvature = weight * sigma * (1 - sigma)
    g_theta = (weight * left) @ design + penalty * (theta - _rest(data.x.shape[1]))
    hessian = (design.T * curvature) @ design + np.diag(penalty)
    has = data.intercept >= 0
    n_users = len(users)
    g_users = np.bincount(data.intercept[has], (weight * left)[has], n_users) + users * prior
    own = np.bincount(data.intercept[has], curvature[has], n_users) + prior
    cross = np.zeros((design.shape[1], n_users))
    np.add.at(cross.T, data.intercept[has], design[has] * curvature[has, None])
    return g_theta, g_users, hessian, cross, own


def _loss(
    data: Records,
    design: np.ndarray,
    weight: np.ndarray,
    penalty: np.ndarray,
    prior: np.ndarray,
    theta: np.ndarray,
    users: np.ndarray,
) -> float:
    """What is minimised."""
    logits = _logits(data, design, theta, users)
    away = theta - _rest(data.x.shape[1])
    loss = weight @ (np.logaddexp(0.0, logits) - data.p * logits)
    return float(loss + penalty @ away**2 / 2 + prior @ users**2 / 2)


def _logits(data: Records, design: np.ndarray, theta: np.ndarray, users: np.ndarray) -> np.ndarray:
    own = np.where(data.intercept >= 0, users[data.intercept] if len(users) else 0.0, 0.0)
    logits: np.ndarray = design @ theta + own
    return logits


def _residuals(
    data: Records, design: np.ndarray, theta: np.ndarray, users: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sigma = 1 / (1 + np.exp(-np.clip(_logits(data, design, theta, users), -50, 50)))
    return sigma, sigma - data.p


def _enough(data: Records, weight: np.ndarray) -> None:
    used = weight > 0
    if not used.any():
        raise TooLittleData("There are no labels to train on. Collect votes or behaviour, then build the pairs again.")
    alone = data.p[used & data.alone]
    if used.sum() == len(alone) and (alone == 0.5).all():
        raise TooLittleData(
            f"All {len(alone)} labels are .5: nothing that was recorded speaks for or against any answer. "
            "Record stops, copies, regenerations (docs/events.md), then build the pairs again."
        )
    if used.sum() == len(alone) and (alone.min() == alone.max()):
        raise TooLittleData(
            f"All {len(alone)} labels say the same ({alone[0]:g}); a model needs both kinds. "
            "Collect answers that were liked less (or more), then build the pairs again."
        )
