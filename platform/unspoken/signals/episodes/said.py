"""The stated family: the last vote, the ratings, and whether the user was asked for them."""

import polars as pl

from unspoken.signals.episodes.rows import NOWHERE, Acts


def votes(acts: Acts) -> pl.DataFrame:
    """row, vote, voted (ids). The last vote on each message counts; 0 withdraws it."""
    vote = pl.col("value").last().cast(pl.Int64)
    return (
        acts.on("vote", columns=("value", "event"))
        .group_by("row", maintain_order=True)
        .agg(pl.when(vote != 0).then(vote).alias("vote"), pl.col("event").alias("voted"))
    )


def asked(acts: Acts) -> pl.DataFrame:
    """row, solicit_*: the first assignment, and whether anything came of it; null where it was not said."""
    return (
        acts.on("solicit", columns=("level", "shown", "answered", "propensity"))
        .group_by("row", maintain_order=True)
        .agg(
            pl.col("level").first().alias("solicit_level"),
            pl.col("shown").max().alias("solicit_shown"),
            pl.col("answered").max().alias("solicit_answered"),
            pl.col("propensity").first().alias("solicit_propensity"),
        )
    )


def ratings(acts: Acts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """rating, its lowest and highest value, rated (ids): by `row`, and by `conversation` where no message is named."""
    given = acts.all(
        "rating", columns=("conversation", "message", "user", "scale", "value", "lowest", "highest", "event")
    ).filter(pl.col("highest") > pl.col("lowest"))
    return (
        _averaged(given.filter(pl.col("row") != NOWHERE), "row"),
        _averaged(given.filter(pl.col("message").is_null()), "conversation"),
    )


def _averaged(given: pl.DataFrame, by: str) -> pl.DataFrame:
    """Mean over scales, each on its own range; the last value that a user gave on a scale counts."""
    value, lowest, highest = (pl.col(name) for name in ("value", "lowest", "highest"))
    return (
        given.unique([by, "user", "scale"], keep="last", maintain_order=True)
        .group_by(by, maintain_order=True)
        .agg(
            # Sorted, so that the sum does not depend on the order.
            ((value - lowest) / (highest - lowest)).sort().mean().clip(0, 1).alias("rating"),
            value.min().alias("rating_lowest"),
            value.max().alias("rating_highest"),
            pl.col("event").alias("rated"),
        )
    )
