"""How good a probability is: AUC, Brier and the divergence from the Bayes posterior."""

import numpy as np
import polars as pl

_EDGE = 1e-6


def auc(p: np.ndarray, better: np.ndarray, weight: np.ndarray | None = None) -> float:
    """P(a better answer's p is the larger), ties counting half; 0 where none or all are better."""
    weight = np.ones(len(p)) if weight is None else weight
    level = np.unique(p, return_inverse=True)[1]
    up, down = np.bincount(level, weight * better), np.bincount(level, weight * ~better)
    pairs = up.sum() * down.sum()
    return float(up @ (down.cumsum() - down / 2) / pairs) if pairs else 0.0


def scores(p: np.ndarray, truth: pl.DataFrame, weight: np.ndarray | None = None) -> dict[str, float]:
    """auc, where some answers are better and some are not; brier; and kl = mean KL(p_bayes ‖ p) in nats over the
    answers whose p_bayes is known. What cannot be told is left out. `weight`: of each answer; alike without.
    """
    better = truth["better"].to_numpy().astype(bool)
    found = {"auc": auc(p, better, weight)} if 0 < better.sum() < len(better) else {}
    if len(better):
        found["brier"] = float(np.average((p - better) ** 2, weights=weight))
    known = truth["p_bayes"].is_not_null().to_numpy()
    if known.any():
        bayes = truth["p_bayes"].drop_nulls().to_numpy().clip(_EDGE, 1 - _EDGE)
        other = p[known].clip(_EDGE, 1 - _EDGE)
        apart = bayes * np.log(bayes / other) + (1 - bayes) * np.log((1 - bayes) / (1 - other))
        found["kl"] = float(np.average(apart, weights=None if weight is None else weight[known]))
    return found


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two vectors."""
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
