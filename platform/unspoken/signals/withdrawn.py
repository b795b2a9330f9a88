"""Closes that were inferred from a silence which a late event broke after all, and so are to be ignored.

An inferred close stands at the time of the last event that was heard, and says for how long nothing had come. Whatever
shows the same person (as far as is known) to be in the conversation within that time withdraws it: after a hide an act
or a real close, after the sign of a page in sight anything that such a page sends.
"""

import polars as pl

from unspoken.events import PRESENT

ACTS = (*PRESENT, "close")
IN_SIGHT = ("expose", "heartbeat", "view", "hide")


def without_withdrawn(events: pl.DataFrame) -> pl.DataFrame:
    """Events without the withdrawn closes. Columns as frames.EVENTS, and `f`: the fields role, cause, silent_ms."""
    field = pl.col("f").struct.field
    inferred = events.filter((pl.col("kind") == "close") & (field("cause") == "inferred").fill_null(False))
    if inferred.is_empty():
        return events
    hides = events.filter(pl.col("kind") == "hide").select("conversation", "at", hid=pl.lit(True)).unique()
    signs = events.filter(
        (pl.col("kind").is_in((*ACTS, *IN_SIGHT)) & ~pl.col("event").is_in(inferred["event"].implode()))
        | ((pl.col("kind") == "message") & (field("role") == "user").fill_null(False))
    ).select(
        "conversation",
        sign_at="at",
        sign_user="user",
        act=pl.col("kind").is_in((*ACTS, "message")),
    )
    withdrawn = (
        inferred.with_columns(until=pl.col("at") + pl.duration(milliseconds=field("silent_ms").fill_null(0)))
        .join(hides, on=["conversation", "at"], how="left")
        .join(signs, on="conversation")
        .filter(
            (pl.col("sign_at") > pl.col("at"))
            & (pl.col("sign_at") <= pl.col("until"))
            & (pl.col("act") | pl.col("hid").is_null())
            & (pl.col("sign_user") == pl.col("user")).fill_null(True)
        )
    )
    return events.join(withdrawn.select("event").unique(), on="event", how="anti", maintain_order="left")
