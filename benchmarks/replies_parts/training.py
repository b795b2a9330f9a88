"""The classifier's weights, its calibration and the chance from which it may speak alone. scipy, no randomness."""

import numpy as np
from scipy.optimize import minimize

from unspoken.signals.replies.classifier import CLASSES, NONE, Classifier
from unspoken.signals.replies.judging import Look, log_ratio, ruled

# Shares of 230 user turns of real chats, marked by hand and rounded (docs/replies.md).
BASE_RATES = {
    "refusal_objection": 0.01, "correction": 0.02, "complaint": 0.07, "rephrase": 0.03, "thanks": 0.07,
    "clarification": 0.03, "elaboration": 0.12, "new_topic": 0.02, "none": 0.63,
}  # fmt: skip
PENALTY = 1.0
PRECISION = 0.9  # what the classifier has to reach where no rule speaks
FOLDS = 5


def natural(y: np.ndarray) -> np.ndarray:
    """A weight per turn under which the classes are as frequent as in real chats."""
    counts = np.bincount(y, minlength=len(CLASSES))
    weights: np.ndarray = (np.array([BASE_RATES[name] for name in CLASSES]) / np.maximum(counts, 1))[y] * len(y)
    return weights


def train(x: np.ndarray, y: np.ndarray) -> Classifier:
    """Multinomial logistic regression, ridge on all but the level; the levels are moved to the base rates."""
    target = np.eye(len(CLASSES))[y]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(-1, len(CLASSES))
        z = x @ weights[:-1] + weights[-1]
        z -= z.max(1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        off = np.exp(log_p) - target
        slope = np.vstack([x.T @ off + PENALTY * weights[:-1], off.sum(0)])
        return float(-log_p[target > 0].sum() + PENALTY / 2 * (weights[:-1] ** 2).sum()), slope.ravel()

    start = np.zeros((x.shape[1] + 1) * len(CLASSES))
    weights = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x.reshape(-1, len(CLASSES))
    shares = target.mean(0)
    weights[-1] += np.log(np.array([BASE_RATES[name] for name in CLASSES]) / shares)
    return Classifier(weights.astype(np.float32).astype(np.float64))  # as they are stored


def crossed(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Chances (n, classes) of every turn by a classifier that was trained without its fold."""
    chances = np.zeros((len(x), len(CLASSES)))
    for fold in range(FOLDS):
        held = folds == fold
        chances[held] = train(x[~held], y[~held])(x[held])
    return chances


def alone(chances: np.ndarray, y: np.ndarray, silent: np.ndarray) -> float:
    """The least chance from which the classifier's flags, where no rule speaks, are right in nine cases of ten."""
    first, top = chances.argmax(1), chances.max(1)
    weights = natural(y) * silent * (first != CLASSES.index(NONE))
    for least in np.arange(0.3, 1.0, 0.01):
        flagged = weights * (top >= least)
        if flagged.sum() and (flagged * (first == y)).sum() / flagged.sum() >= PRECISION:
            return float(round(least, 2))
    return 1.0


def calibration(looks: list[Look], seconds: list[float], chances: np.ndarray, y: np.ndarray) -> list[float]:
    """level, slope and rule of logit P(right) = level + slope · logit(chance) + rule, over every turn's first class."""
    rows = []
    for i, (seen, time) in enumerate(zip(looks, seconds, strict=True)):
        rule = ruled(seen, time)
        name = rule.reply_class if rule else CLASSES[int(chances[i].argmax())]
        if name != NONE:
            at = CLASSES.index(name)
            rows.append((i, log_ratio(float(chances[i, at])), float(rule is not None), float(y[i] == at)))
    table = np.array(rows)
    weights = natural(y)[table[:, 0].astype(int)]
    x = np.column_stack([np.ones(len(table)), table[:, 1:3]])

    def loss(b: np.ndarray) -> float:
        z = x @ b
        return float((weights * (np.logaddexp(0, z) - table[:, 3] * z)).sum() + 0.5 * (b**2).sum())

    return [round(float(value), 4) for value in minimize(loss, np.zeros(3), method="BFGS").x]
