"""Which sibling was kept, as preference pairs whose margin carries the position (science: §5).

Kept ≻ each other viewed sibling of a chain of k, hard, with margin −κ·(last_kept − last_other) and weight
(1 − P_V)/(k − 1), P_V the chance that the chain is there for variety's sake, κ of signals/position.py. Going back to an
answer is left out of the acts that κ rests on (`unchosen`): it is the choice itself.
"""

import numpy as np
import polars as pl

from unspoken.signals.episodes.rows import numbered
from unspoken.signals.position import Position, position, some

RULE = "siblings/1"
_KNOWN = ("mean", "sd", "variety")


def unchosen(episodes: pl.DataFrame) -> pl.DataFrame:
    """The answers with siblings as they are before one of them is chosen: nobody knows which was gone back to."""
    return episodes.filter(pl.col("siblings") > 1).with_columns(pl.lit(None, pl.Boolean).alias("selected"))


def sibling_pairs(
    episodes: pl.DataFrame, known: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, list[tuple[str, int]], Position]:
    """(prompt, chosen, rejected, margin, weight), in no order, the siblings left out by reason, and κ.

    `known`: message, mean and sd of the worth, variety (0 … 1, the chance that it was regenerated for the sake of
    another answer) by the acts in `unchosen`; nothing for none. A chain's P_V is the mean over its regenerated answers
    of which it is known.
    """
    read = episodes.select("prompt", "message", "siblings", "kept", "last_generated", "exposed")
    siblings = read.filter(pl.col("siblings") > 1)
    if known is None:
        siblings = siblings.with_columns(pl.lit(None, pl.Float64).alias(name) for name in _KNOWN)
    else:
        siblings = siblings.join(known.select("message", *_KNOWN), on="message", how="left", maintain_order="left")
    chained = siblings.filter(pl.col("kept").is_not_null())
    viewed = chained.filter("exposed")
    # From here on a chain is a number, and an answer its row in `viewed`.
    chain, kept, last, likely = (
        numbered(viewed["prompt"]), *(viewed[name].to_numpy() for name in ("kept", "last_generated", "variety"))
    )  # fmt: skip
    k = np.bincount(chain)
    whole = (k >= 2) & (np.bincount(chain, kept) == 1)
    keeper = np.zeros(len(k), dtype=np.int64)
    keeper[chain[kept]] = np.flatnonzero(kept)
    again = ~last & ~np.isnan(likely)
    variety = np.bincount(chain[again], likely[again], len(k)) / np.maximum(np.bincount(chain[again], None, len(k)), 1)
    # Where nobody saw the last one, its place moved nobody: the chain says nothing of κ.
    placed = np.flatnonzero(whole & (np.bincount(chain, last) > 0))
    used = placed[some(viewed["prompt"][keeper[placed]])]
    kept_last = pl.Series("kept_last", last[keeper])
    place = position(
        _worths(viewed, np.isin(chain, used)).with_columns(kept_last[used], variety=variety[used]), kept_last[placed]
    )
    other = np.flatnonzero(~kept & whole[chain])
    chosen, of = keeper[chain[other]], chain[other]
    pairs = pl.DataFrame(
        {
            "prompt": viewed["prompt"][other],
            "chosen": viewed["message"][chosen],
            "rejected": viewed["message"][other],
            "margin": -place.kappa * (last[chosen].astype(float) - last[other].astype(float)),
            "weight": (1 - variety[of]) / (k[of] - 1),
        }
    )
    dropped = [
        ("the user wrote no more, so none was kept", len(siblings) - len(chained)),
        ("a sibling that nobody saw", len(chained) - len(viewed)),
        ("no other viewed sibling beside the kept one", len(viewed) - int(k[whole].sum())),
    ]
    return pairs, dropped, place


def _worths(viewed: pl.DataFrame, used: np.ndarray) -> pl.DataFrame:
    """mean and sd of the used answers, a list a chain, by prompt; the kept one's first, then the last one's."""
    order = ("prompt", ~pl.col("kept"), ~pl.col("last_generated"), "message")
    return viewed.filter(used).sort(order).group_by("prompt", maintain_order=True).agg("mean", "sd")
