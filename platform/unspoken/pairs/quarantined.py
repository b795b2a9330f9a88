"""Leaving out whoever is in quarantine: everything of their exchanges, counted in the funnel by reason."""

import polars as pl


def rules(users: pl.DataFrame) -> list[tuple[str, pl.Expr]]:
    """For Funnel.keep on frames.EPISODES, one rule a reason, from user and reason.

    A reason is grouped by what stands before its first colon: a scan writes its numbers behind one. Who wrote an answer
    in person counts as who was answered does.
    """
    if users.is_empty():
        return []
    what = pl.col("reason").str.split(":").list.first().str.strip_chars()
    grouped = users.group_by(what.alias("what")).agg(pl.col("user").unique().sort()).sort("what")
    return [
        (f"quarantined: {said}", pl.col("user").is_in(who) | pl.col("author").is_in(who).fill_null(False))
        for said, who in grouped.iter_rows()
    ]
