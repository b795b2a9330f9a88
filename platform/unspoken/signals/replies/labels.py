"""The expressed family: what the replies say of an answer, as a probability."""

import polars as pl

from unspoken.frames import LABELS, REPLIES, check
from unspoken.signals.replies.turns import distinct

RULE = "replies/1"


def labels(found: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """frames.LABELS from frames.REPLIES and the TURNS they were found in, sorted by message and user.

    p = σ(Σ lo) over the replies to one answer by one user. Whoever only goes on, or asks what something means, gives
    no label: that says nothing either way.
    """
    said = (
        check(found, REPLIES, "replies")
        .filter(pl.col("lo") != 0)
        .join(distinct(turns), on=["message", "reply"])
        .sort(pl.col("lo").abs(), "reply", descending=[True, False])
    )
    grouped = said.group_by("message", "user", maintain_order=True).agg(
        pl.col("lo").sum(),
        pl.struct(act="reply_class", by="lo").alias("moved"),
        pl.col("event").drop_nulls().unique().sort().alias("evidence"),
    )
    rows = grouped.with_columns(
        pl.lit("expressed").alias("family"),
        pl.lit(RULE).alias("rule"),
        (1 / (1 + (-pl.col("lo")).exp())).alias("p"),
        pl.lit(None, dtype=pl.Float64).alias("mean"),
        pl.lit(None, dtype=pl.Float64).alias("sd"),
    )
    return check(rows, LABELS, "labels").sort("message", "user")
