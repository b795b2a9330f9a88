"""Which sibling was kept, as preference pairs whose margin carries the position (science: §5).

Per chain of k viewed siblings P(keep j) = P_V·softmax(κ_V·last) + (1 − P_V)·softmax(r + κ·last), last = last generated,
which is what is displayed by default. So kept ≻ each other viewed sibling, hard, with margin −κ·(last_kept −
last_other) and weight (1 − P_V)/(k − 1).

κ and κ_V ~ N(2, 1), one each for all chains. No text is read here, so r is not known; it is drawn, N(0, 1), and
integrated over. With r = 0 in its place κ comes out a quarter too small (1.57 for 2.00 at 20,000 chains), and what is
missing goes to whatever drifts with position: a feature whose weight is .11 is found at .17, and at .11 as it is here.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

RULE = "siblings/1"
PRIOR_MEAN, PRIOR_SD = 2.0, 1.0
ENOUGH_BACK_NAVIGATED = 50
# κ in hundredths: a finer answer would be noise, and a sum's last bits cannot change this one.
_GRID = np.round(np.arange(-3.0, 9.005, 0.01), 2)
_DRAWS, _ROUNDS = 2000, 100
_MOST = 16  # siblings told apart: a chain of more says as much of κ as one of so many


@dataclass(frozen=True)
class Position:
    """κ in logits, and from how many chains; κ_V that of variety. `at_prior`: too few back-navigations to move them."""

    kappa: float
    kappa_variety: float
    chains: int
    back_navigated: int
    at_prior: bool


def position(chains: pl.DataFrame) -> Position:
    """κ and κ_V from chains (columns k, kept_last, variety: P_V); at their prior below 50 back-navigated chains."""
    back = int((~chains["kept_last"]).sum()) if len(chains) else 0
    if back < ENOUGH_BACK_NAVIGATED:
        return Position(PRIOR_MEAN, PRIOR_MEAN, len(chains), back, at_prior=True)
    k = chains["k"].cast(pl.Int64).clip(upper_bound=_MOST).to_numpy()
    last = chains["kept_last"].to_numpy()
    variety = chains["variety"].to_numpy()
    size, which = np.unique(k, return_inverse=True)
    by_worth = np.stack([_last_by_worth(int(n)) for n in size])
    by_place = 1 / (1 + (size[:, None] - 1) * np.exp(-_GRID))
    prior = -0.5 * ((_GRID - PRIOR_MEAN) / PRIOR_SD) ** 2
    at = at_variety = int(np.searchsorted(_GRID, PRIOR_MEAN))
    for _ in range(_ROUNDS):  # EM over whether a chain was kept for variety
        of_place, of_worth = by_place[which, at_variety], by_worth[which, at]
        of_place = variety * np.where(last, of_place, 1 - of_place)
        of_worth = (1 - variety) * np.where(last, of_worth, 1 - of_worth)
        share = of_place / (of_place + of_worth)
        found = (_best(1 - share, which, last, by_worth, prior), _best(share, which, last, by_place, prior))
        if found == (at, at_variety):
            break
        at, at_variety = found
    return Position(float(_GRID[at]), float(_GRID[at_variety]), len(chains), back, at_prior=False)


def _last_by_worth(k: int) -> np.ndarray:
    """P(the last of k is kept) at every κ of the grid, the worths r ~ N(0, 1) integrated over."""
    worth = np.random.default_rng(k).standard_normal((_DRAWS, k))
    others = np.log(np.exp(worth[:, 1:]).sum(1)) - worth[:, 0]
    kept: np.ndarray = (1 / (1 + np.exp(others - _GRID[:, None]))).mean(1)
    return kept


def _best(weight: np.ndarray, which: np.ndarray, last: np.ndarray, kept: np.ndarray, prior: np.ndarray) -> int:
    """Index of the κ with the highest posterior; `kept` (sizes, grid) is P(the last one is kept)."""
    count = len(kept)
    for_last = np.bincount(which, weight * last, count)
    for_other = np.bincount(which, weight * ~last, count)
    return int(np.argmax(prior + for_last @ np.log(kept) + for_other @ np.log1p(-kept)))


def sibling_pairs(
    episodes: pl.DataFrame, variety: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, list[tuple[str, int]], Position]:
    """(prompt, chosen, rejected, margin, weight, evidence), the siblings left out by reason, and κ.

    `variety`: message, variety (0 … 1): P(it was regenerated for the sake of another answer), nothing for none. A
    chain's P_V is the mean over its regenerated answers of which it is known.
    """
    siblings = episodes.filter(pl.col("siblings") > 1)
    if variety is None:
        siblings = siblings.with_columns(pl.lit(None, pl.Float64).alias("variety"))
    else:
        siblings = siblings.join(variety.select("message", "variety"), on="message", how="left", maintain_order="left")
    open_ended = siblings.filter(pl.col("kept").is_null())
    chained = siblings.filter(pl.col("kept").is_not_null())
    unseen = chained.filter(~pl.col("exposed"))
    viewed = chained.filter("exposed").with_columns(
        pl.len().over("prompt").alias("k"),
        pl.col("kept").sum().over("prompt").alias("keeps"),
        pl.col("last_generated").any().over("prompt").alias("last_seen"),
        pl.col("variety").filter(~pl.col("last_generated")).mean().over("prompt").fill_null(0.0).alias("variety"),
    )
    lone = viewed.filter((pl.col("k") < 2) | (pl.col("keeps") != 1))
    viewed = viewed.filter((pl.col("k") >= 2) & (pl.col("keeps") == 1))
    kept = viewed.filter("kept").select(
        "prompt", "k", "last_seen", "variety", chosen="message", chosen_last="last_generated",
        chosen_evidence="evidence",
    )  # fmt: skip
    others = viewed.filter(~pl.col("kept")).select(
        "prompt", rejected="message", rejected_last="last_generated", rejected_evidence="evidence"
    )
    # Where nobody saw the last one, its place moved nobody: the chain says nothing of κ.
    found = position(kept.filter("last_seen").sort("prompt").select("k", "variety", kept_last="chosen_last"))
    pairs = kept.join(others, on="prompt").select(
        "prompt",
        "chosen",
        "rejected",
        (-found.kappa * (pl.col("chosen_last").cast(pl.Float64) - pl.col("rejected_last").cast(pl.Float64))).alias(
            "margin"
        ),
        ((1 - pl.col("variety")) / (pl.col("k") - 1)).alias("weight"),
        pl.concat_list("chosen_evidence", "rejected_evidence").list.sort().alias("evidence"),
    )
    dropped = [
        ("the user wrote no more, so none was kept", len(open_ended)),
        ("a sibling that nobody saw", len(unseen)),
        ("no other viewed sibling beside the kept one", len(lone)),
    ]
    return pairs.sort("chosen", "rejected"), dropped, found
