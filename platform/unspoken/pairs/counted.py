"""What was seen at all: how often each signal came, and of how many answers it speaks."""

from typing import Any

import polars as pl

from unspoken.signals.episodes import STATED_KINDS


def signals(units: pl.DataFrame, events: pl.DataFrame, replies: pl.DataFrame) -> list[dict[str, Any]]:
    """family, signal, events, answers, share of the units. What is said of a conversation speaks of its answers."""
    acts = events.filter(pl.col("kind") != "message")
    about = pl.concat(
        [
            acts.join(units.select("message"), on="message").select("kind", "message"),
            acts.filter(pl.col("message").is_null())
            .join(units.select("conversation", unit="message"), on="conversation")
            .select("kind", message="unit"),
        ]
    )
    counts = (
        acts.group_by("kind")
        .agg(pl.len().alias("events"))
        .join(about.group_by("kind").agg(pl.col("message").n_unique().alias("answers")), on="kind", how="left")
    )
    on = int(units["continued"].sum())
    wrote = replies.group_by("reply_class").agg(pl.len().alias("events"), pl.col("message").n_unique().alias("answers"))
    rows = [
        *(
            ("stated" if row[0] in STATED_KINDS else "revealed", *row)
            for row in counts.fill_null(0).sort("kind").rows()
        ),
        ("revealed", "wrote again", on, on),
        *(("expressed", *row) for row in wrote.sort("reply_class").rows()),
    ]
    return [
        {"family": family, "signal": kind, "events": count, "answers": answers, "share": answers / max(len(units), 1)}
        for family, kind, count, answers in rows
    ]


def notes(units: pl.DataFrame) -> list[str]:
    """What a reader of the funnel has to know of odd data that stays in."""
    said = []
    voted = units.filter(pl.col("vote").is_not_null())
    if len(voted) > 1 and voted["user"].n_unique() == 1 and voted["user"].null_count() == 0:
        said.append(f"All {len(voted):,} votes are of one user: what is called stated here is one person's taste.")
    left = pl.col("closed").is_not_null() & (pl.col("continued") | (pl.col("copied_share") > 0) | pl.col("shared"))
    returned = int(units.select(left.sum()).item())
    if returned:
        said.append(f"{returned:,} answers were closed and also used: both acts count, for people come back.")
    return said
