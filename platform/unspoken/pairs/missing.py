"""Votes that are missing for a reason: who is displeased votes more (or less) often, and more so for some answers.

Γ(z) = P(vote | −, z) / P(vote | +, z), a ratio of probabilities. A constant Γ moves the level of satisfaction alone;
what can turn the direction of a model is Γ that goes with an attribute z (science: §7).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]

GAMMAS = (-0.7, -0.35, 0.35, 0.7)
HALF = 0.5  # added to each count, so that no odds are 0 or infinite


def tilt(vote: NDArray[np.int64], z: Floats, gamma: float) -> Floats:
    """Weights of mean 1, shape (votes,), that undo log Γ(z) = γ·z: a vote down counts exp(−γz) times one up.

    `vote` is 1 or −1; `z` is the attribute in standard deviations, so γ is a log ratio per deviation.
    """
    if not len(vote):
        return np.zeros(0)
    logs = np.where(vote < 0, -gamma * z, 0.0)
    weights = np.exp(logs - logs.max())  # of the only answer of a topic in a million, z is a thousand
    scaled: Floats = weights / weights.mean()
    return scaled


def assumed(vote: NDArray[np.int64], z: Floats, weight: Floats) -> dict[str, Any]:
    """How much more of z what is voted up has than what is voted down, in its deviations, for each γ assumed.

    It grows with γ. `turns_at`: the γ between the outermost GAMMAS at which it is nothing, null where its sign stays;
    `se`: of it at γ = 0. Empty without two votes up and two down: of one there is no error.
    """
    up, down = vote > 0, vote < 0
    if min(up.sum(), down.sum()) < 2:
        return {}
    liked = float(np.average(z[up], weights=weight[up]))

    def difference(gamma: float) -> float:
        return liked - float(np.average(z[down], weights=weight[down] * tilt(vote[down], z[down], gamma)))

    at = {gamma: difference(gamma) for gamma in sorted((*GAMMAS, 0.0))}
    lowest, highest = GAMMAS[0], GAMMAS[-1]
    turns = at[lowest] < 0 < at[highest]
    return {
        "votes": len(vote),
        "difference": at[0.0],
        "se": float(np.sqrt(_error(z[up], weight[up]) + _error(z[down], weight[down]))),
        "by_gamma": [{"gamma": gamma, "difference": each} for gamma, each in at.items()],
        "turns_at": float(brentq(difference, lowest, highest)) if turns else None,
    }


def _error(z: Floats, weight: Floats) -> float:
    """Variance of a weighted mean."""
    mean = np.average(z, weights=weight)
    return float((weight**2 * (z - mean) ** 2).sum() / weight.sum() ** 2)


def gamma_hat(groups: Sequence[tuple[str, int, int, int, int]]) -> dict[str, Any]:
    """log Γ̂ of each group z, and of all, from (z, organic up, organic down, solicited up, solicited down) counts.

    Γ̂ = organic odds (down : up) over solicited odds. Each group is shrunk to the common value by the spread between
    groups that exceeds their sampling error (DerSimonian and Laird 1986). Null where either arm has no vote at all.
    """
    known = [each for each in groups if each[1] + each[2] and each[3] + each[4]]
    if not known:
        return {"log_gamma": None, "se": None, "spread": None, "groups": []}
    counts = np.array([each[1:] for each in known], dtype=np.float64) + HALF
    raw = np.log(counts[:, 1] / counts[:, 0]) - np.log(counts[:, 3] / counts[:, 2])
    variance = (1 / counts).sum(axis=1)
    precision = 1 / variance
    fixed = precision @ raw / precision.sum()
    excess = precision @ (raw - fixed) ** 2 - (len(raw) - 1)
    scale = precision.sum() - (precision**2).sum() / precision.sum()
    between = max(0.0, float(excess / scale)) if len(raw) > 1 else 0.0
    weight = 1 / (variance + between)
    common = float(weight @ raw / weight.sum())
    shrunk = common + between / (between + variance) * (raw - common)
    rows = [
        {"z": each[0], "raw": float(raw[i]), "se": float(variance[i] ** 0.5), "log_gamma": float(shrunk[i])}
        for i, each in enumerate(known)
    ]
    return {
        "log_gamma": common,
        "se": float(weight.sum() ** -0.5),
        "spread": between**0.5,
        "groups": rows,
    }
