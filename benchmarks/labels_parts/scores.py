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
    """auc, where some answers are better and some are not; brier; and kl = mean KL(p_bayes ‖ p) in nats over the
    answers whose p_bayes is known. What cannot be told is left out.
    """
    better = truth["better"].to_numpy().astype(bool)
    found = {"auc": auc(p, better)} if 0 < better.sum() < len(better) else {}
    if len(better):
        found["brier"] = float(np.mean((p - better) ** 2))
    known = truth["p_bayes"].is_not_null().to_numpy()
    if known.any():
        bayes = truth["p_bayes"].drop_nulls().to_numpy().clip(_EDGE, 1 - _EDGE)
        other = p[known].clip(_EDGE, 1 - _EDGE)
        found["kl"] = float(np.mean(bayes * np.log(bayes / other) + (1 - bayes) * np.log((1 - bayes) / (1 - other))))
    return found


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two vectors."""
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
