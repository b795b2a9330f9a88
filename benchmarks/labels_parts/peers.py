"""What the factor is compared with: two classes fitted by EM, raw and tempered on anchors, and hand-set weights."""

import numpy as np
import polars as pl
from scipy.special import expit, logit

from unspoken.signals import evidence

_ROUNDS, _EDGE = 200, 1e-6
_WORSE_WHEN = (0, 2)  # stop and regenerate: the class in which they are more frequent is the worse one


def hand_set(episodes: pl.DataFrame) -> pl.DataFrame:
    """message, p of evidence.acts; one half where it abstains."""
    return evidence.acts(episodes).select("message", pl.col("p").fill_null(0.5))


def two_class(episodes: pl.DataFrame) -> pl.DataFrame:
    """message, p: naive Bayes of two latent classes over what was done, fitted by EM; null where unexposed."""
    z = pl.Series("z", evidence.dwell_z(episodes))
    table = episodes.with_columns(z).select(
        "message",
        "exposed",
        a=pl.col("stopped"),
        b=pl.col("closed").fill_null("") == "streaming",
        c=pl.col("regenerated"),
        d=pl.col("copied_share") > 0,
        e=pl.col("edited").fill_null(False),
        f=pl.col("continued").fill_null(False),
        g=pl.col("shared").fill_null(False),
        h=(pl.col("z") < -0.5).fill_null(False),
        i=(pl.col("z") > 0.5).fill_null(False),
    )
    if not table["exposed"].any():
        return table.select("message", p=pl.lit(None, dtype=pl.Float64))
    acts = list("abcdefghi")
    patterns = table.filter("exposed").group_by(acts, maintain_order=True).len()
    x, weight = patterns.select(acts).to_numpy().astype(float), patterns["len"].to_numpy().astype(float)
    lo = _em(x, weight)
    found = table.join(patterns.select(*acts, pl.Series("p", expit(lo))), on=acts, how="left", maintain_order="left")
    return found.select("message", p=pl.when("exposed").then("p"))


def _em(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Log-odds of the better class for each pattern of 0/1, (patterns,)."""
    base = np.clip(weight @ x / weight.sum(), _EDGE, 1 - _EDGE)
    rate = np.stack([base * 0.7, np.minimum(base * 1.3, 0.99)])  # worse, better …
    rate[:, list(_WORSE_WHEN)] = rate[::-1, list(_WORSE_WHEN)]  # … which is less often stopped and regenerated
    share = 0.5
    lo = np.zeros(len(x))
    for _ in range(_ROUNDS):
        rate = np.clip(rate, _EDGE, 1 - _EDGE)
        lo = logit(share) + x @ (logit(rate[1]) - logit(rate[0])) + (np.log1p(-rate[1]) - np.log1p(-rate[0])).sum()
        p = expit(lo)
        share = float(np.clip(weight @ p / weight.sum(), 0.01, 0.99))
        rate = np.stack([(weight * (1 - p)) @ x / (weight @ (1 - p)), (weight * p) @ x / (weight @ p)])
    better = rate[1, list(_WORSE_WHEN)].sum() < rate[0, list(_WORSE_WHEN)].sum()
    return np.asarray(lo if better else -lo)


def tempered(found: pl.DataFrame, episodes: pl.DataFrame) -> pl.DataFrame:
    """message, p: log-odds times the slope of a logistic regression of ordinary against planted answers on them."""
    joined = found.join(episodes.select("message", "anchor"), on="message", how="left", maintain_order="left")
    known = joined.filter(pl.col("p").is_not_null())
    lo = logit(np.clip(known["p"].to_numpy(), _EDGE, 1 - _EDGE))
    ordinary = known["anchor"].is_null().to_numpy().astype(float)
    weight = np.where(ordinary > 0, 0.5 / max(ordinary.sum(), 1), 0.5 / max((1 - ordinary).sum(), 1))
    theta = np.zeros(2)
    design = np.stack([np.ones_like(lo), lo], axis=1)
    for _ in range(50):
        p = expit(design @ theta)
        curve = (design.T * (weight * p * (1 - p))) @ design + 1e-9 * np.eye(2)
        theta = theta + np.linalg.solve(curve, design.T @ (weight * (ordinary - p)))
    slope = float(np.clip(theta[1], 0, 1)) if (ordinary == 0).any() else 1.0
    own = pl.Series("p", expit(slope * logit(np.clip(found["p"].fill_null(0.5).to_numpy(), _EDGE, 1 - _EDGE))))
    return found.select("message", p=pl.when(pl.col("p").is_not_null()).then(own))
