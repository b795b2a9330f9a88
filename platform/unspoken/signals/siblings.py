"""Which sibling was kept, as preference pairs whose margin carries the position (science: §5).

Per chain, P(keep j) = softmax(r + κ·last), last = last generated, which is what is displayed by default. So
kept ≻ each other viewed sibling, hard, with margin −κ·(last_kept − last_other); weight 1/(k − 1). κ ~ N(2, 1), one for
all, fitted with equal worths; the variety state comes with the label model.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

RULE = "siblings/1"
PRIOR_MEAN, PRIOR_SD = 2.0, 1.0
ENOUGH_BACK_NAVIGATED = 50


@dataclass(frozen=True)
class Position:
    """κ in logits, and from how many chains. `at_prior`: too few back-navigations to move it."""

    kappa: float
    chains: int
    back_navigated: int
    at_prior: bool


def position(chains: pl.DataFrame) -> Position:
    """κ from chains (columns k, kept_last); at its prior with fewer than 50 back-navigated chains."""
    back = int((~chains["kept_last"]).sum()) if len(chains) else 0
    if back < ENOUGH_BACK_NAVIGATED:
        return Position(PRIOR_MEAN, len(chains), back, at_prior=True)
    others = chains["k"].cast(pl.Float64).to_numpy() - 1
    kept_last = chains["kept_last"].cast(pl.Float64).to_numpy()
    kappa = PRIOR_MEAN
    for _ in range(50):  # Newton on a concave one-dimensional posterior
        p = 1 / (1 + others * np.exp(-kappa))
        slope = float((kept_last - p).sum()) - (kappa - PRIOR_MEAN) / PRIOR_SD**2
        curve = float((p * (1 - p)).sum()) + 1 / PRIOR_SD**2
        kappa += slope / curve
    return Position(float(kappa), len(chains), back, at_prior=False)


def sibling_pairs(episodes: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[str, int]], Position]:
    """(prompt, chosen, rejected, margin, weight, evidence), the siblings left out by reason, and κ."""
    siblings = episodes.filter(pl.col("siblings") > 1)
    open_ended = siblings.filter(pl.col("kept").is_null())
    chained = siblings.filter(pl.col("kept").is_not_null())
    unseen = chained.filter(~pl.col("exposed"))
    viewed = chained.filter("exposed").with_columns(
        pl.len().over("prompt").alias("k"),
        pl.col("kept").sum().over("prompt").alias("keeps"),
        pl.col("last_generated").any().over("prompt").alias("last_seen"),
    )
    lone = viewed.filter((pl.col("k") < 2) | (pl.col("keeps") != 1))
    viewed = viewed.filter((pl.col("k") >= 2) & (pl.col("keeps") == 1))
    kept = viewed.filter("kept").select(
        "prompt", "k", "last_seen", chosen="message", chosen_last="last_generated", chosen_evidence="evidence"
    )
    others = viewed.filter(~pl.col("kept")).select(
        "prompt", rejected="message", rejected_last="last_generated", rejected_evidence="evidence"
    )
    # Where nobody saw the last one, its place moved nobody: the chain says nothing of κ.
    kappa = position(kept.filter("last_seen").select("k", kept_last="chosen_last"))
    pairs = kept.join(others, on="prompt").select(
        "prompt",
        "chosen",
        "rejected",
        (-kappa.kappa * (pl.col("chosen_last").cast(pl.Float64) - pl.col("rejected_last").cast(pl.Float64))).alias(
            "margin"
        ),
        (1 / (pl.col("k") - 1)).alias("weight"),
        pl.concat_list("chosen_evidence", "rejected_evidence").list.sort().alias("evidence"),
    )
    dropped = [
        ("the user wrote no more, so none was kept", len(open_ended)),
        ("a sibling that nobody saw", len(unseen)),
        ("no other viewed sibling beside the kept one", len(lone)),
    ]
    return pairs.sort("chosen", "rejected"), dropped, kappa
