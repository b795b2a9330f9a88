"""The stated family: the last vote, the ratings, and whether the user was asked for them."""

import numpy as np
import polars as pl

from unspoken.signals.episodes.columns import Found, Listed
from unspoken.signals.episodes.rows import NOWHERE
from unspoken.signals.episodes.told import Acts, Messages, Some
from unspoken.signals.tree import Rows


def votes(given: Some) -> Found:
    """The last vote on each message counts."""
    return Found(elsewhere=[(given.says(vote="value"), given.last())])


def asked(assignments: Some) -> Found:
    """solicit_*: the first assignment, and whether anything came of it; null where it was not said."""
    first = assignments.says(solicit_level="level", solicit_propensity="propensity")
    came = {f"solicit_{name}": assignments.most(assignments.values(name)) for name in ("shown", "answered")}
    return Found(came, [(first, assignments.first())])


def ratings(acts: Acts, messages: Messages) -> list[tuple[Found, Listed]]:
    """rating, its lowest and highest value, and the events: of the message, and (_whole) of its conversation."""
    given = acts.all("rating").where(pl.col("highest") > pl.col("lowest"))
    direct, whole = given.row != NOWHERE, given.where(pl.col("message").is_null()).number
    found = []
    for number, of, asked, suffix in (
        (given.number[direct], given.row[direct], np.arange(len(messages)), ""),
        (whole, acts.talk[whole], messages.talk, "_whole"),
    ):
        last = _last(acts, number, of)
        mean = _averaged(last)
        place = np.full(1 + max(of.max(initial=0), asked.max(initial=0)), NOWHERE)
        place[mean["of"].to_numpy()] = np.arange(len(mean))
        columns = mean.select(pl.exclude("of").name.suffix(suffix))
        events = Listed(last["of"].to_numpy(), last["number"].to_numpy(), asked)
        found.append((Found(elsewhere=[(columns, place[asked])]), events))
    return found


def _last(acts: Acts, number: Rows, of: Rows) -> pl.DataFrame:
    """The last value that a user gave on a scale counts."""
    given = acts.events.select("user", "scale", "value", "lowest", "highest")[number]
    given = given.with_columns(of=pl.Series(of, dtype=pl.Int64), number=pl.Series(number, dtype=pl.Int64))
    return given.unique(["of", "user", "scale"], keep="last", maintain_order=True)


def _averaged(given: pl.DataFrame) -> pl.DataFrame:
    """Mean over scales, each on its own range."""
    value, lowest, highest = (pl.col(name) for name in ("value", "lowest", "highest"))
    return given.group_by("of", maintain_order=True).agg(
        # Sorted, so that the sum does not depend on the order.
        ((value - lowest) / (highest - lowest)).sort().mean().clip(0, 1).alias("rating"),
        value.min().alias("rating_lowest"),
        value.max().alias("rating_highest"),
    )
