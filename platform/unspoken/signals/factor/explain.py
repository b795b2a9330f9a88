"""Labels from the grid: p, mean and sd of the worth, and which act moved p by how much."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import expit

from unspoken.frames import LABELS
from unspoken.signals.anchors import Anchors
from unspoken.signals.factor.design import Design
from unspoken.signals.factor.likelihood import Likelihood, log_odds, posterior
from unspoken.signals.factor.terms import GRID, Floats, Rows

CHUNK = 50_000  # answers on the grid at once: 20 MB per copy
SMALLEST_MOVE = 0.05  # logits: acts that moved p by less are not named
MOVED = LABELS["moved"]


def labels(design: Design, thetas: Sequence[Floats], anchors: Anchors, seen: pl.DataFrame) -> pl.DataFrame:
    """p, mean, sd, variety, moved of `observed` rows, in their order; null where they abstain."""
    rows = design.rows(seen)
    speaks = pl.Series(rows.told(design.signals), dtype=pl.Boolean) & seen["anchor"].is_null()
    del seen  # of every answer, and needed no more
    empty = pl.DataFrame(
        schema={"p": pl.Float64, "mean": pl.Float64, "sd": pl.Float64, "variety": pl.Float64, "moved": MOVED}
    )
    chunks = [
        _chunk(design, thetas, anchors, rows.take(slice(first, first + CHUNK))) for first in range(0, len(rows), CHUNK)
    ]
    return pl.concat([empty, *chunks]).select(pl.when(speaks).then(pl.all()))


def _chunk(design: Design, thetas: Sequence[Floats], anchors: Anchors, rows: Rows) -> pl.DataFrame:
    likelihood = Likelihood.of(design.terms(), rows)
    joint = likelihood.log_joint(thetas)
    weights, _ = posterior(joint)
    lo, worth = log_odds(weights), weights.sum(1)
    mean = worth @ GRID
    moves = []
    for n, signal in enumerate(design.signals):
        without = log_odds(posterior(joint - likelihood.said(n, thetas[n]))[0])
        by = anchors.slope * (lo - without)
        named = np.flatnonzero(np.isfinite(rows.known[signal]) & (np.abs(by) >= SMALLEST_MOVE))
        act = _named(signal, rows.known[signal][named], timed=signal in design.paces)
        moves.append(pl.DataFrame({"row": named, "act": act, "by": by[named]}))
    moved = (
        pl.concat(moves)
        .sort(["row", pl.col("by").abs(), "act"], descending=[False, True, False])
        .group_by("row", maintain_order=True)
        .agg(pl.struct("act", "by").alias("moved"))
    )
    return pl.DataFrame(
        {
            "row": np.arange(len(rows)),
            "p": expit(anchors.map(lo)),
            "mean": mean,
            "sd": np.sqrt(np.maximum(worth @ GRID**2 - mean**2, 0.0)),
            "variety": weights[:, 1].sum(1),
        }
    ).join(moved, on="row", how="left", maintain_order="left").select(
        "p", "mean", "sd", "variety", pl.col("moved").fill_null(pl.lit([], dtype=MOVED))
    )  # fmt: skip


def _named(signal: str, known: Floats, *, timed: bool) -> pl.Series:
    """ "stop" or "no stop"; "long dwell" or "short dwell"."""
    yes, no = (f"long {signal}", f"short {signal}") if timed else (signal, f"no {signal}")
    return pl.Series("act", np.where(known > 0, yes, no), dtype=pl.String)
