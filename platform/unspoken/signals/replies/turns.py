"""What a detector of replies reads: two messages of one user and the time between them. Never the answer's text."""

from collections.abc import Mapping

import polars as pl

from unspoken.frames import EPISODES, Schema, check

TURNS: Schema = {
    "message": pl.String,  # the answer that was replied to
    "user": pl.String,
    "prompt": pl.String,  # the message it answered
    "reply": pl.String,  # the user's next message
    "event": pl.String,  # the reply's message event: the evidence
    "text": pl.String,  # of the reply
    "before": pl.String,  # of the prompt; null where it is not known or nobody's (an opening given by the system)
    "seconds": pl.Float64,  # from the prompt to the reply; null where a time is not known
}


def turns(episodes: pl.DataFrame, events: pl.DataFrame, texts: Mapping[str, str]) -> pl.DataFrame:
    """TURNS from frames.EPISODES, kind, message, at, event of frames.EVENTS, and the texts of user messages by id.

    A reply whose text is not given has no row.
    """
    own = events.filter(pl.col("kind") == "message").sort("at", "event").unique("message", keep="first")
    known = pl.DataFrame(
        {"reply": list(texts), "text": list(texts.values())},
        schema_overrides=dict.fromkeys(("reply", "text"), pl.String),
    )
    took = pl.col("latency_s") + (pl.col("duration_ms").fill_null(0) + pl.col("reply_after_ms")) / 1000
    rows = (
        check(episodes, EPISODES, "episodes")
        .join(known, on="reply")
        .join(known.select(prompt="reply", before="text"), on="prompt", how="left")
        .join(own.select(reply="message", event_of_reply="event"), on="reply", how="left")
        .with_columns(took.alias("seconds"), pl.col("event_of_reply").alias("event"))
    )
    return distinct(rows)


def distinct(rows: pl.DataFrame) -> pl.DataFrame:
    """TURNS, each reply to an answer once, in an order that the rows' own order does not change."""
    return check(rows, TURNS, "turns").sort(list(TURNS)).unique(["message", "reply"], keep="first", maintain_order=True)
