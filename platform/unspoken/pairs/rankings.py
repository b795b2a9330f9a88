"""Do choices between policies fit one ranking, or do they run in circles? Numbers beside the labels, by family.

A flow f_ab = ln((w_ab + ½)/(w_ba + ½)) between every two policies is split into what differences of one strength
explain and the rest, the curl (HodgeRank: Jiang 2011), each weighted by W = 1/(1/(w_ab + ½) + 1/(w_ba + ½)).
"""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import polars as pl

DRAWS = 500
FEWEST, MOST = 3, 7  # policies: fewer make no circle, and every order of more would take too long to try
CHOICES = ("siblings/1", "votes-of-siblings/1", "choice/1")  # somebody chose; soft pairs follow from one scale


def rankings(pairs: pl.DataFrame, episodes: pl.DataFrame, labels: pl.DataFrame) -> dict[str, Any]:
    """By family: policies, pairs, curl_share, cyclic_triads, null, plackett_luce, mallows; `why` where there is none.

    `null` is what choosing by one scale gives: choices between the same answers are drawn anew from the means of the
    revealed labels, at a slope found on the users of the other half, then aggregated. A null of one strength per policy
    would call an unequal spread within policies a circle. The stated family has none: no scale of it is known here.
    """
    chosen = pairs.filter(pl.col("rule").is_in(CHOICES))
    met = pl.concat([chosen["chosen"], chosen["rejected"]]).alias("message").to_frame()
    own = episodes.select("message", "policy").join(met, on="message", how="semi")
    policy = dict(own.drop_nulls("policy").iter_rows())
    worth = labels.select("message", "mean", "family").filter(pl.col("family") == "revealed")
    mean = dict(worth.drop("family").join(met, on="message", how="semi").drop_nulls("mean").iter_rows())
    return {
        family: _of_family(chosen.filter(pl.col("family") == family), policy, scale)
        for family, scale in (("stated", {}), ("revealed", mean))
    }


def _of_family(pairs: pl.DataFrame, policy: dict[str, str], mean: dict[str, float]) -> dict[str, Any]:
    between = pairs.filter(pl.col("chosen").is_in(list(policy)) & pl.col("rejected").is_in(list(policy))).with_columns(
        pl.col("chosen").replace_strict(policy, default=None).alias("one"),
        pl.col("rejected").replace_strict(policy, default=None).alias("other"),
    )
    between = between.filter(pl.col("one") != pl.col("other"))
    names = sorted({*between["one"], *between["other"]})
    if not FEWEST <= len(names) <= MOST:
        return {
            "policies": names,
            "pairs": len(between),
            "why": f"{FEWEST} to {MOST} policies have to be chosen between",
        }
    one = np.array([names.index(name) for name in between["one"]])
    other = np.array([names.index(name) for name in between["other"]])
    weight = between["weight"].to_numpy()
    wins = _wins(one, other, weight, len(names))
    share, strength = curl_share(wins)
    return {
        "policies": names,
        "pairs": len(between),
        "curl_share": share,
        "cyclic_triads": cyclic_triads(wins),
        "null": _null(between, one, other, weight, mean, len(names)),
        "plackett_luce": {"strength": dict(zip(names, strength.tolist(), strict=True)), **_fit(wins, strength)},
        "mallows": _mallows(wins, names),
    }


def curl_share(wins: np.ndarray) -> tuple[float, np.ndarray]:
    """(‖curl‖²_W / ‖flow‖²_W, strengths with mean 0) of `wins` (k, k): how often the row won against the column."""
    a, b = np.triu_indices(len(wins), 1)
    met = wins[a, b] + wins[b, a] > 0
    a, b = a[met], b[met]
    up, down = wins[a, b] + 0.5, wins[b, a] + 0.5
    flow, weight = np.log(up / down), 1 / (1 / up + 1 / down)
    gradient = np.zeros((len(a), len(wins)))
    gradient[np.arange(len(a)), a], gradient[np.arange(len(a)), b] = 1.0, -1.0
    root = np.sqrt(weight)[:, None]
    strength = np.linalg.lstsq(root * gradient, root[:, 0] * flow, rcond=None)[0]
    left = flow - gradient @ strength
    total = float(weight @ flow**2)
    return (float(weight @ left**2) / total if total else 0.0), strength - strength.mean()


def cyclic_triads(wins: np.ndarray) -> int:
    """How many three policies beat each other in a circle, by the majority of their choices."""
    beats = wins > wins.T
    triads = np.trace(np.linalg.matrix_power(beats.astype(int), 3))
    return int(triads) // 3


def _wins(one: np.ndarray, other: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    wins = np.zeros((count, count))
    np.add.at(wins, (one, other), weight)
    return wins


def _null(
    pairs: pl.DataFrame, one: np.ndarray, other: np.ndarray, weight: np.ndarray, mean: dict[str, float], count: int
) -> dict[str, Any] | None:
    """Curl share of choices σ(slope·(m_i − m_j) − margin) drawn anew, and the chance of as much as was seen."""
    known = np.array([c in mean and r in mean for c, r in pairs.select("chosen", "rejected").iter_rows()], dtype=bool)
    if not known.any():
        return None
    pairs, one, other, weight = pairs.filter(pl.Series(known)), one[known], other[known], weight[known]
    apart = np.array([mean[c] - mean[r] for c, r in pairs.select("chosen", "rejected").iter_rows()])
    margin = pairs["margin"].to_numpy()
    half = pairs["user"].fill_null("").rank("dense").to_numpy().astype(int) % 2
    slope = np.array([_slope(apart[half == side], margin[half == side]) for side in (1, 0)])[half]
    kept = 1 / (1 + np.exp(margin - slope * apart))
    observed = curl_share(_wins(one, other, weight, count))[0]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        stays = random.random(len(kept)) < kept
        first, second = np.where(stays, one, other), np.where(stays, other, one)
        drawn.append(curl_share(_wins(first, second, weight, count))[0])
    return {
        "curl_share": float(np.mean(drawn)),
        "above": observed - float(np.mean(drawn)),
        "p": (1 + sum(share >= observed for share in drawn)) / (1 + DRAWS),
        "pairs": int(known.sum()),
    }


def _slope(apart: np.ndarray, margin: np.ndarray) -> float:
    """Of the choices on the difference of means, ~ N(0, 1), given the margins."""
    slope = 0.0
    for _ in range(25):  # Newton on a concave posterior
        p = 1 / (1 + np.exp(margin - slope * apart))
        slope += float((apart @ (1 - p) - slope) / ((apart**2) @ (p * (1 - p)) + 1))
    return slope


def _fit(wins: np.ndarray, strength: np.ndarray) -> dict[str, float | int]:
    """Deviance of one strength per policy against a free chance for each two of them, and its degrees of freedom."""
    a, b = np.triu_indices(len(wins), 1)
    up, down = wins[a, b], wins[b, a]
    total = up + down
    p = 1 / (1 + np.exp(strength[b] - strength[a]))
    with np.errstate(divide="ignore", invalid="ignore"):
        free = np.nan_to_num(up * np.log(up / total)) + np.nan_to_num(down * np.log(down / total))
    deviance = 2 * float((free - up * np.log(p) - down * np.log1p(-p)).sum())
    return {"deviance": max(deviance, 0.0), "degrees": int((total > 0).sum()) - len(wins) + 1}


def _mallows(wins: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The order that the fewest choices contradict (Kemeny), and θ: the log-odds with which a choice agrees with it."""
    orders = permutations(range(len(names)))
    agreed, order = max((sum(wins[a, b] for k, a in enumerate(o) for b in o[k + 1 :]), o) for o in orders)
    total = float(wins.sum())
    return {
        "order": [names[index] for index in order],
        "agreement": float(agreed) / total,
        "theta": float(np.log((agreed + 0.5) / (total - agreed + 0.5))),
    }
