"""What it is worth to an answer to stand last among its siblings (science: §5).

Per chain of k viewed siblings P(keep j) = softmax(b·u + κ·last), u an answer's worth and last = last generated, which
is what is displayed by default.

κ is that of the loss it goes into: what being last is worth, in logits, beside the answers' worth, in chains of weight
1 − P_V. Whoever regenerates disliked the first answer, and that is no matter of place: so u is not N(0, 1) but what the
acts say of it, N(mean, sd²), integrated over. κ ~ N(2, 1) and b ~ N(1, .5²), one each for all chains; where no act
tells of any worth, b is 1.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
import polars as pl
from scipy.optimize import minimize

PRIOR_MEAN, PRIOR_SD = 2.0, 1.0
SLOPE_MEAN, SLOPE_SD = 1.0, 0.5
ENOUGH_BACK_NAVIGATED = 50
_BOUNDS = ((-3.0, 9.0), (0.0, 5.0))
_LONGEST = 16  # siblings: longer chains are pairs, and say nothing of κ
_CHAINS = 10_000  # κ is known to a twentieth by then
_NUMBERS = 2**20  # drawn in all; few chains are integrated over more finely
_DRAWS = (64, 4096)


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
    """Chains of one length: worth (k, draws, chains), the kept one's first; weight (chains,); place of the last."""

    worth: np.ndarray
    weight: np.ndarray
    last: np.ndarray


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
    worth = np.ascontiguousarray(np.moveaxis(rows[:, 1 : 1 + k] + apart, 2, 0))
    return _Alike(worth, weight, rows[:, 0].astype(int))


def _loss(at: np.ndarray, alike: list[_Alike]) -> tuple[float, np.ndarray]:
    """−log posterior of (κ, b) but for a constant, and its gradient."""
    away = (at - [PRIOR_MEAN, SLOPE_MEAN]) / [PRIOR_SD, SLOPE_SD]
    loss, gradient = float(away @ away) / 2, away / [PRIOR_SD, SLOPE_SD]
    for chains in alike:
        each = np.arange(len(chains.last))
        logits = at[1] * chains.worth
        logits[chains.last, :, each] += at[0]
        chance = np.exp(logits - logits.max(0))
        chance /= chance.sum(0)
        kept = chance[0]
        by_kappa = kept * ((chains.last == 0) - chance[chains.last, :, each].T)
        by_slope = kept * (chains.worth[0] - (chance * chains.worth).sum(0))
        likely = kept.mean(0)
        loss -= float(chains.weight @ np.log(likely))
        gradient = gradient - [chains.weight @ (by.mean(0) / likely) for by in (by_kappa, by_slope)]
    return loss, gradient


def some(prompts: pl.Series) -> np.ndarray:
    """Places of the chains to know κ by, in the order of their prompts, whatever order these come in.

    _CHAINS at most: those of the least hash, by a hash that no version of a library changes.
    """
    rows = prompts.alias("prompt").to_frame().with_row_index("place")
    if len(rows) > _CHAINS:
        hashes = list(map(crc32, prompts.cast(pl.Binary).to_list()))
        rows = rows.with_columns(hash=pl.Series(hashes, dtype=pl.UInt32)).bottom_k(_CHAINS, by=["hash", "prompt"])
    return rows.sort("prompt")["place"].to_numpy()
