"""How good a probability is: AUC, Brier and the divergence from the Bayes posterior."""

import numpy as np
import polars as pl
from scipy.stats import rankdata

_EDGE = 1e-6


def auc(p: np.ndarray, better: np.ndarray) -> float:
    """P(a better answer's p is the larger), ties counting half."""
    ranks = rankdata(p)
    up = int(better.sum())
    return float((ranks[better].sum() - up * (up + 1) / 2) / max(up * (len(p) - up), 1))


def scores(p: np.ndarray, truth: pl.DataFrame) -> dict[str, float]:
    """auc, brier, and kl = mean KL(p_bayes ‖ p) in nats where p_bayes is known."""
    better = truth["better"].to_numpy()
    found = {"auc": auc(p, better), "brier": float(np.mean((p - better) ** 2))}
    if truth["p_bayes"].null_count() == 0:
        bayes = truth["p_bayes"].to_numpy().clip(_EDGE, 1 - _EDGE)
        other = p.clip(_EDGE, 1 - _EDGE)
        found["kl"] = float(np.mean(bayes * np.log(bayes / other) + (1 - bayes) * np.log((1 - bayes) / (1 - other))))
    return found


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two vectors."""
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
