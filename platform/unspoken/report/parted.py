"""The held-out answers on which the two models part most."""

from typing import Any

import numpy as np
import polars as pl

from unspoken.pairs.folder import DatasetFolder

MOST = 20


def parted(
    dataset: DatasetFolder, stated: np.ndarray, revealed: np.ndarray, row_of: dict[str, int]
) -> list[dict[str, Any]]:
    """Up to twenty answers of the test split, one per text, by |z_stated − z_revealed|.

    Scores are comparable within a prompt only, so each is centred there, then scaled by its spread over all.
    """
    test = dataset.unpaired.filter(pl.col("split") == "test").unique("message", maintain_order=True)
    rows = [row_of[message] for message in test["message"]]
    if not rows:
        return []
    frame = test.select("message", "prompt_key").with_columns(
        stated=pl.Series(stated[rows]), revealed=pl.Series(revealed[rows])
    )
    frame = frame.filter(pl.len().over("prompt_key") > 1).with_columns(
        (pl.col(name) - pl.col(name).mean().over("prompt_key")).alias(name) for name in ("stated", "revealed")
    )
    frame = frame.with_columns(
        (pl.col(name) / (pl.col(name).std() + 1e-12)).alias(name) for name in ("stated", "revealed")
    )
    frame = (
        frame.with_columns((pl.col("stated") - pl.col("revealed")).alias("difference"))
        .join(dataset.texts.select("message", "prompt", "answer"), on="message")
        .sort(pl.col("difference").abs(), "message", descending=[True, False])
        .unique(["prompt", "answer"], keep="first", maintain_order=True)
    )
    return frame.head(MOST).select("message", "prompt", "answer", "stated", "revealed", "difference").to_dicts()
