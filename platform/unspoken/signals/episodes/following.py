"""What the user did next: the reply, the edit of the prompt, and the first act after the answer was complete."""

from typing import Literal

import polars as pl

from unspoken.signals.episodes.rows import NOWHERE, Acts, first_of, rows_of
from unspoken.signals.tree import Rows

# In the order that counts at one moment.
NEXT = ("message", "regenerate", "edit", "close", "copy", "select", "share")
ON_ANSWER = tuple(kind for kind in NEXT if kind not in ("message", "edit"))


def following(answers: pl.DataFrame, messages: pl.DataFrame, parent: Rows, acts: Acts) -> pl.DataFrame:
    """next_act, next_after_ms, reply, reply_after_ms and edited by `row`; continued_by and edited_by: whose events."""
    wrote = _prompts(messages, parent, acts)
    replies = wrote.group_by(row="below", maintain_order=True).agg(
        pl.col("message").first().alias("reply"),
        pl.col("at").first().alias("reply_at"),
        pl.col("event").drop_nulls().alias("continued_by"),
    )
    rows = (
        answers.select("row", "prompt_row", "conversation", "completed")
        .join(replies, on="row", how="left", maintain_order="left")
        .join(_edits(wrote, acts), on="prompt_row", how="left", maintain_order="left")
        # A clock that was off may set the reply before the end of what it replies to.
        .with_columns(reply_at=pl.when(pl.col("reply").is_not_null()).then(pl.max_horizontal("reply_at", "completed")))
    )
    first = _first_acts(rows, messages, acts)
    after_ms = (pl.col("next_at") - pl.col("completed")).dt.total_milliseconds()
    return (
        rows.join(first, on="row", how="left", maintain_order="left")
        .join(_away(first, acts), on="row", how="left", maintain_order="left")
        .select(
            "row",
            "reply",
            "edited",
            "continued_by",
            "edited_by",
            pl.col("next_act").cast(pl.String),
            next_after_ms=(after_ms - pl.col("away_ms").fill_null(0)).clip(0),
            reply_after_ms=(pl.col("reply_at") - pl.col("completed")).dt.total_milliseconds(),
        )
    )


def _prompts(messages: pl.DataFrame, parent: Rows, acts: Acts) -> pl.DataFrame:
    """What users wrote below a message, by time: its row, that above (`below`), message, user, at and event."""
    own = first_of(acts.on("message", columns=("event",)))
    return (
        messages.select("message", "user", "at", "role", row=pl.int_range(pl.len()), below=pl.Series(parent))
        .filter((pl.col("role") == "user") & (pl.col("below") != NOWHERE))
        .join(own, on="row", how="left", maintain_order="left")
    )


def _edits(wrote: pl.DataFrame, acts: Acts) -> pl.DataFrame:
    """By `prompt_row`: when it was first edited, and the ids that say so: edits, and prompts written beside it."""
    told = acts.on("edit", columns=("at", "event"))
    beside = wrote.filter(pl.len().over("below") > 1).select(
        "row", *(pl.col(name).shift(-1).over("below", "user") for name in ("at", "event"))
    )
    return (
        pl.concat([told.select("row", "at", "event"), beside.filter(pl.col("at").is_not_null())])
        .sort("row", "at", "event")
        .group_by(prompt_row="row", maintain_order=True)
        .agg(
            pl.lit(True).alias("edited"),
            pl.col("at").first().alias("edited_at"),
            pl.col("event").drop_nulls().alias("edited_by"),
        )
    )


def _first_acts(rows: pl.DataFrame, messages: pl.DataFrame, acts: Acts) -> pl.DataFrame:
    """row, conversation, completed, next_act, next_at: the first act at or after the completion."""
    away_from = acts.all("select", columns=("conversation", "previous", "at")).filter(pl.col("previous").is_not_null())
    previous = rows_of(away_from["previous"], away_from["conversation"], messages)
    kind = pl.Enum(NEXT)
    done = [
        acts.on(*ON_ANSWER, columns=(pl.col("kind"), "at")).select("row", "kind", "at"),
        away_from.select(pl.lit("select").alias("kind"), "at", row=pl.Series(previous)).select("row", "kind", "at"),
        rows.select("row", pl.lit("message").alias("kind"), at="reply_at"),
        rows.select("row", pl.lit("edit").alias("kind"), at="edited_at"),
    ]
    return first_of(
        pl.concat(part.with_columns(pl.col("kind").cast(kind)) for part in done)
        .filter(pl.col("at").is_not_null())
        .join(rows.select("row", "conversation", "completed"), on="row")
        .filter(pl.col("at") >= pl.col("completed"))
        .sort("row", "at", "kind")
    ).select("row", "conversation", "completed", next_act="kind", next_at="at")


def _away(first: pl.DataFrame, acts: Acts) -> pl.DataFrame:
    """row, away_ms: for how long the page was out of sight between an answer's completion and the next act."""
    returns = (
        acts.all("return", columns=("conversation", "at", "away_ms"))
        .filter(pl.col("away_ms") > 0)
        .select("conversation", "away_ms", back="at", total=pl.col("away_ms").cum_sum().over("conversation"))
        .sort("back", maintain_order=True)
    )
    among = first.join(returns.select("conversation").unique(), on="conversation", how="semi")

    def nearest(time: str, strategy: Literal["backward", "forward"], suffix: str) -> pl.DataFrame:
        return among.sort(time).join_asof(
            returns.rename({name: f"{name}_{suffix}" for name in ("away_ms", "back", "total")}),
            left_on=time, right_on=f"back_{suffix}", by="conversation", strategy=strategy,
            allow_exact_matches=strategy == "backward", check_sortedness=False,
        ).drop("conversation", "completed", "next_at", "next_act")  # fmt: skip

    before, next_one, until = (
        nearest("completed", "backward", "before"),
        nearest("completed", "forward", "next"),
        nearest("next_at", "backward", "until"),
    )
    # The first return may end an absence that began before the answer was complete.
    since = (pl.col("back_next") - pl.col("completed")).dt.total_milliseconds()
    return (
        among.join(before, on="row")
        .join(next_one, on="row")
        .join(until, on="row")
        .filter(pl.col("back_next") <= pl.col("next_at"))
        .select(
            "row",
            away_ms=pl.col("total_until")
            - pl.col("total_before").fill_null(0)
            - (pl.col("away_ms_next") - since).clip(0),
        )
    )
