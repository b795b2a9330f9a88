"""Which sibling was kept, as preference pairs whose margin carries the position (science: §5).

Per chain of k viewed siblings P(keep j) = softmax(b·u + κ·last), u an answer's worth and last = last generated, which
is what is displayed by default. So kept ≻ each other viewed sibling, hard, with margin −κ·(last_kept − last_other) and
weight (1 − P_V)/(k − 1), P_V the chance that the chain is there for variety's sake.

κ is that of the loss it goes into: what being last is worth, in logits, beside the answers' worth, in chains of weight
1 − P_V. Whoever regenerates disliked the first answer, and that is no matter of place: so u is not N(0, 1) but what the
acts say of it, N(mean, sd²), integrated over. Going back to an answer is left out of these acts (`unchosen`): it is
the choice itself. κ ~ N(2, 1) and b ~ N(1, .5²), one each for all chains; where no act tells of any worth, b is 1.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
import polars as pl
from scipy.optimize import minimize

RULE = "siblings/1"
PRIOR_MEAN, PRIOR_SD = 2.0, 1.0
SLOPE_MEAN, SLOPE_SD = 1.0, 0.5
ENOUGH_BACK_NAVIGATED = 50
_BOUNDS = ((-3.0, 9.0), (0.0, 5.0))
_LONGEST = 16  # siblings: longer chains are pairs, and say nothing of κ
_CHAINS = 10_000  # κ is known to a twentieth by then
_NUMBERS = 2**20  # drawn in all; few chains are integrated over more finely
_DRAWS = (64, 4096)
_KNOWN = ("mean", "sd", "variety")


@dataclass(frozen=True)
class Position:
    """κ in logits, b in logits per sd of worth, and from how many chains. `at_prior`: too few went back to move κ."""

    kappa: float
    slope: float
    chains: int
    back_navigated: int
    at_prior: bool


@dataclass(frozen=True)
class _Alike:
    """Chains of one length: worth (draws, chains, k), the kept one's first; weight (chains,); place of the last."""

    worth: np.ndarray
    weight: np.ndarray
    last: np.ndarray


def unchosen(episodes: pl.DataFrame) -> pl.DataFrame:
    """The answers with siblings as they are before one of them is chosen: nobody knows which was gone back to."""
    return episodes.filter(pl.col("siblings") > 1).with_columns(pl.lit(None, pl.Boolean).alias("selected"))


def position(chains: pl.DataFrame, every: pl.Series | None = None) -> Position:
    """κ and b from chains, one row each; at their prior below 50 back-navigated chains.

    kept_last, variety (P_V), mean and sd: lists of what is known of the worths (null: nothing), the kept answer's
    first, and the last one's second where it is another. `every`: kept_last of all, where `chains` are some of them,
    which is enough to know κ by.
    """
    kept_last = chains["kept_last"] if every is None else every
    back = int((~kept_last).sum())
    if back < ENOUGH_BACK_NAVIGATED:
        return Position(PRIOR_MEAN, SLOPE_MEAN, len(kept_last), back, at_prior=True)
    told = chains["mean"].explode(empty_as_null=False).is_not_null().any()
    used = chains.with_columns(pl.col("mean").list.len().alias("k"))
    alike = [_alike(rows) for (k,), rows in sorted(used.group_by("k", maintain_order=True)) if k <= _LONGEST]
    bounds = _BOUNDS if told else (_BOUNDS[0], (SLOPE_MEAN, SLOPE_MEAN))
    found = minimize(_loss, (PRIOR_MEAN, SLOPE_MEAN), args=(alike,), jac=True, bounds=bounds, method="L-BFGS-B").x
    # In hundredths: a finer answer would be noise, and a sum's last bits cannot change this one.
    return Position(round(float(found[0]), 2), round(float(found[1]), 2), len(kept_last), back, at_prior=False)


def _alike(chains: pl.DataFrame) -> _Alike:
    """Chains of one length; those of which the same is known are integrated over once."""
    k = int(chains["k"][0])
    mean, sd = (chains[name].explode().to_numpy().reshape(-1, k) for name in ("mean", "sd"))  # null is nan
    unknown = np.isnan(mean) | np.isnan(sd)
    known = np.column_stack([~chains["kept_last"].to_numpy(), np.where(unknown, 0, mean), np.where(unknown, 1, sd)])
    rows, which = np.unique(known, axis=0, return_inverse=True)
    draws = int(np.clip(_NUMBERS // (rows.shape[0] * k), *_DRAWS)) // 2
    half = np.random.default_rng(k).standard_normal((draws, len(rows), k))
    apart = np.concatenate([half, -half]) * rows[:, 1 + k :]
    weight = np.bincount(which.reshape(-1), 1 - chains["variety"].to_numpy(), len(rows))
    return _Alike(rows[:, 1 : 1 + k] + apart, weight, rows[:, 0].astype(int))


def _loss(at: np.ndarray, alike: list[_Alike]) -> tuple[float, np.ndarray]:
    """−log posterior of (κ, b) but for a constant, and its gradient."""
    away = (at - [PRIOR_MEAN, SLOPE_MEAN]) / [PRIOR_SD, SLOPE_SD]
    loss, gradient = float(away @ away) / 2, away / [PRIOR_SD, SLOPE_SD]
    for chains in alike:
        each = np.arange(len(chains.last))
        logits = at[1] * chains.worth
        logits[:, each, chains.last] += at[0]
        chance = np.exp(logits - logits.max(2, keepdims=True))
        chance /= chance.sum(2, keepdims=True)
        kept = chance[:, :, 0]
        by_kappa = kept * ((chains.last == 0) - chance[:, each, chains.last])
        by_slope = kept * (chains.worth[:, :, 0] - (chance * chains.worth).sum(2))
        likely = kept.mean(0)
        loss -= float(chains.weight @ np.log(likely))
        gradient = gradient - [chains.weight @ (by.mean(0) / likely) for by in (by_kappa, by_slope)]
    return loss, gradient


def _some(prompts: pl.Series) -> np.ndarray:
    """Places of _CHAINS of them at most: those of the least hash, by a hash that no version of a library changes."""
    if len(prompts) <= _CHAINS:
        return np.arange(len(prompts))
    hashed = pl.DataFrame({"prompt": prompts, "hash": [crc32(prompt.encode()) for prompt in prompts]})
    return hashed.with_row_index("place").bottom_k(_CHAINS, by=["hash", "prompt"])["place"].to_numpy()


def sibling_pairs(
    episodes: pl.DataFrame, known: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, list[tuple[str, int]], Position]:
    """(prompt, chosen, rejected, margin, weight, evidence), in no order, the siblings left out by reason, and κ.

    `known`: message, mean and sd of the worth, variety (0 … 1, the chance that it was regenerated for the sake of
    another answer) by the acts in `unchosen`; nothing for none. A chain's P_V is the mean over its regenerated answers
    of which it is known.
    """
    read = episodes.select("prompt", "message", "siblings", "kept", "last_generated", "exposed", "evidence")
    siblings = read.filter(pl.col("siblings") > 1)
    if known is None:
        siblings = siblings.with_columns(pl.lit(None, pl.Float64).alias(name) for name in _KNOWN)
    else:
        siblings = siblings.join(known.select("message", *_KNOWN), on="message", how="left", maintain_order="left")
    open_ended = siblings.filter(pl.col("kept").is_null())
    chained = siblings.filter(pl.col("kept").is_not_null())
    unseen = chained.filter(~pl.col("exposed"))
    viewed = chained.filter("exposed")
    groups = viewed.group_by("prompt", maintain_order=True).agg(
        pl.len().alias("k"),
        pl.col("kept").sum().alias("keeps"),
        pl.col("last_generated").any().alias("last_seen"),
        (pl.col("kept") & pl.col("last_generated")).any().alias("kept_last"),
        pl.col("variety").filter(~pl.col("last_generated")).mean().fill_null(0.0),
    )
    whole = groups.filter((pl.col("k") >= 2) & (pl.col("keeps") == 1))
    lone = len(viewed) - int(whole["k"].sum())
    kept = (
        viewed.filter("kept")
        .select("prompt", chosen="message", chosen_last="last_generated", chosen_evidence="evidence")
        .join(whole, on="prompt", maintain_order="left")
    )
    others = viewed.filter(~pl.col("kept")).select(
        "prompt", rejected="message", rejected_last="last_generated", rejected_evidence="evidence"
    )
    # Where nobody saw the last one, its place moved nobody: the chain says nothing of κ.
    placed = whole.filter("last_seen")
    # In an order of their own, whatever they came in, so that no sum depends on it.
    used = placed[_some(placed["prompt"])].select("prompt", "kept_last", "variety").sort("prompt")
    order = (~pl.col("kept"), ~pl.col("last_generated"), pl.col("message"))
    worths = viewed.join(used.select("prompt"), on="prompt", how="semi").sort("prompt", *order)
    told = worths.group_by("prompt").agg("mean", "sd")
    found = position(used.join(told, on="prompt", maintain_order="left"), placed["kept_last"])
    pairs = kept.join(others, on="prompt", maintain_order="left_right").select(
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
        ("no other viewed sibling beside the kept one", lone),
    ]
    return pairs, dropped, found
