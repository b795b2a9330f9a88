"""What a build makes; on its own, so that who only reads a dataset does not wait for what it takes to make one."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from unspoken.pairs.recipe import Recipe


@dataclass(frozen=True)
class Built:
    """One dataset. `signals` counts what was seen, by family and kind; `digest` is of labels, pairs and unpaired.

    `accounts` are numbers to read beside the labels, as JSON values, by name: label_model, votes, poisoning, rankings.
    """

    recipe: Recipe
    episodes: pl.DataFrame
    acts: pl.DataFrame
    replies: pl.DataFrame
    labels: pl.DataFrame
    pairs: pl.DataFrame
    unpaired: pl.DataFrame
    funnel: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    notes: list[str]
    accounts: dict[str, dict[str, Any]]
    digest: str
