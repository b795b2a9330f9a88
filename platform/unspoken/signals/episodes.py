"""One row per answer: what was shown, what was done, what was said. A pure function of messages and events.

Any order of arrival and any repetition gives the same rows, in the same order (by conversation, time and id).
"""

import polars as pl

from unspoken.events import REVEALED
from unspoken.frames import EPISODES, EVENTS, MESSAGES, check, empty
from unspoken.signals.tree import tree
from unspoken.signals.withdrawn import without_withdrawn

# Silent reading, words per minute and characters per word: Brysbaert 2019.
READING_CHARS_PER_S = 238 / 60 * 5.7
STATED_KINDS = ("vote", "rating", "choice", "solicit")
# A lost connection is nobody's act. Expressed kinds are neither family's, so this is a list of what counts.
ACTS = tuple(kind for kind in REVEALED if kind != "disconnect")

_FIELDS = pl.Struct(
    {
        "scale": pl.String,
        "value": pl.Float64,
        "lowest": pl.Float64,
        "highest": pl.Float64,
        "phase": pl.String,
        "seen_chars": pl.Int64,
        "total_chars": pl.Int64,
        "visible_ms": pl.Int64,
        "active_ms": pl.Int64,
        "chars": pl.Int64,
        "duration_ms": pl.Int64,
        "cause": pl.String,
        "silent_ms": pl.Int64,
        "role": pl.String,
    }
)


def episodes(messages: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """frames.EPISODES from frames.MESSAGES and frames.EVENTS. Answers in a cycle of parents are left out."""
    messages = check(messages, MESSAGES, "messages").unique("message", keep="first", maintain_order=True)
    events = check(events, EVENTS, "events").unique("event", keep="first").sort("at", "event")
    answers = _answers(messages)
    if answers.is_empty():
        return empty(EPISODES)
    events = events.with_columns(pl.col("fields").str.json_decode(_FIELDS).alias("f"))
    events = without_withdrawn(events)
    acts = events.filter(pl.col("kind") != "message")
    rows = (
        answers.join(_durations(events), on="message", how="left")
        .join(_revealed(acts), on="message", how="left")
        .join(_next(messages, events), on="message", how="left")
        .join(_votes(acts), on="message", how="left")
        .join(_ratings(acts.filter(pl.col("message").is_not_null()), "message"), on="message", how="left")
        .join(
            _ratings(acts.filter(pl.col("message").is_null()), "conversation"),
            on="conversation",
            how="left",
            suffix="_whole",
        )
    )
    reading_ms = pl.col("chars") / READING_CHARS_PER_S * 1000
    direct = pl.col("rating").is_not_null()
    rows = rows.with_columns(
        pl.coalesce("exposed", pl.lit(False)) | pl.coalesce("continued", pl.lit(False)),
        pl.coalesce("stopped", pl.lit(False)),
        pl.coalesce("regenerated", pl.lit(False)),
        (
            pl.coalesce("regenerated", pl.lit(False))
            & (pl.col("visible_ms") < pl.max_horizontal(pl.lit(1500.0), 0.15 * reading_ms)).fill_null(False)
        ).alias("regenerated_unread"),
        (pl.col("copied_chars") / pl.max_horizontal("chars", pl.lit(1)))
        .clip(0, 1)
        .fill_null(0.0)
        .alias("copied_share"),
        pl.when(direct)
        .then(pl.lit("answer"))
        .when(pl.col("rating_whole").is_not_null())
        .then(pl.lit("conversation"))
        .alias("rating_by"),
        pl.coalesce("rating", "rating_whole"),
        pl.when(direct).then("rating_lowest").otherwise("rating_lowest_whole").alias("rating_lowest"),
        pl.when(direct).then("rating_highest").otherwise("rating_highest_whole").alias("rating_highest"),
        pl.coalesce("user", "acted"),
        pl.concat_list(
            pl.coalesce("evidence", pl.lit([], dtype=pl.List(pl.String))),
            pl.coalesce("continued_by", pl.lit([], dtype=pl.List(pl.String))),
        ).alias("evidence"),
        pl.concat_list(
            pl.coalesce("voted", pl.lit([], dtype=pl.List(pl.String))),
            pl.coalesce("rated", pl.lit([], dtype=pl.List(pl.String))),
            pl.coalesce("rated_whole", pl.lit([], dtype=pl.List(pl.String))),
        ).alias("stated_evidence"),
    )
    return check(rows.sort("conversation", "at", "message"), EPISODES, "episodes")


def _answers(messages: pl.DataFrame) -> pl.DataFrame:
    """Assistant messages with their prompt, path, siblings and continuation."""
    placed = tree(messages)
    ids = messages["message"].to_list()
    nodes = [placed.nodes[message] for message in ids]
    whole = messages.with_columns(
        pl.Series("root", [node.root for node in nodes], dtype=pl.String),
        pl.Series("key", [node.key for node in nodes], dtype=pl.String),
        pl.Series("turn", [node.answers_above - 1 for node in nodes], dtype=pl.Int64),
        pl.Series("cyclic", [node.in_cycle for node in nodes], dtype=pl.Boolean),
        pl.Series("later_turns", [placed.below[message] for message in ids], dtype=pl.Int64),
    )
    prompts = whole.select(
        pl.col("message").alias("prompt"),
        pl.col("user").alias("prompt_user"),
        pl.col("at").alias("prompt_at"),
        pl.col("key").alias("prompt_key"),
    )
    roots = whole.select(root="message", root_role="role", root_key="digest")
    next_user = (
        whole.filter((pl.col("role") == "user") & pl.col("parent").is_not_null())
        .group_by("parent")
        .agg(pl.col("at").max().alias("next_at"))
        .rename({"parent": "message"})
    )
    answers = (
        whole.filter((pl.col("role") == "assistant") & ~pl.col("cyclic"))
        .rename({"user": "author", "parent": "prompt"})
        .join(prompts, on="prompt", how="left")
        .join(roots, on="root", how="left")
        .join(next_user, on="message", how="left")
        .with_columns(
            pl.col("prompt_user").alias("user"),
            pl.when(pl.col("prompt_key").is_not_null()).then("prompt").alias("prompt"),
            pl.col("next_at").is_not_null().alias("continued"),
            (pl.col("later_turns") == 0).alias("answered_last"),
            ((pl.col("at") - pl.col("prompt_at")).dt.total_microseconds() / 1e6).alias("latency_s"),
        )
        .sort("at", "message")
    )
    # An answer without a prompt has no siblings: each is its own group.
    group = ("prompt", pl.when(pl.col("prompt").is_null()).then("message"))
    last_continued = pl.col("next_at").max().over(*group)
    return (
        answers.with_columns(
            pl.len().over(*group).cast(pl.Int64).alias("siblings"),
            pl.int_range(pl.len()).over(*group).cast(pl.Int64).alias("sibling_rank"),
        )
        .with_columns(
            (pl.col("sibling_rank") == pl.col("siblings") - 1).alias("last_generated"),
            pl.when((pl.col("siblings") > 1) & last_continued.is_not_null())
            .then((pl.col("next_at") == last_continued).fill_null(False))
            .alias("kept"),
        )
        .with_columns((pl.col("kept").fill_null(False) & ~pl.col("last_generated")).alias("back_navigated"))
    )


def _durations(events: pl.DataFrame) -> pl.DataFrame:
    said = events.filter(pl.col("kind") == "message").unique("message", keep="first", maintain_order=True)
    return said.select("message", pl.col("f").struct.field("duration_ms").alias("duration_ms"))


def _next(messages: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The events of the user's next messages: that somebody wrote on below an answer is an act too."""
    own = events.filter(pl.col("kind") == "message").unique("message", keep="first", maintain_order=True)
    return (
        messages.filter((pl.col("role") == "user") & pl.col("parent").is_not_null())
        .join(own.select("message", "event"), on="message")
        .group_by("parent")
        .agg(pl.col("event").sort().alias("continued_by"))
        .rename({"parent": "message"})
    )


def _revealed(acts: pl.DataFrame) -> pl.DataFrame:
    """What was done to each message; an act of any kind shows that it was seen."""
    field = pl.col("f").struct.field
    is_kind = pl.col("kind").eq

    def time_in_view(name: str) -> pl.Expr:
        """Summed over views. No view, or none that says it, is an unknown time, not a time of zero."""
        said = field(name).filter(is_kind("view")).drop_nulls()
        return pl.when(said.len() > 0).then(said.sum()).alias(name)

    return (
        acts.filter(pl.col("message").is_not_null() & pl.col("kind").is_in(ACTS))
        .group_by("message")
        .agg(
            pl.lit(True).alias("exposed"),
            pl.col("user").drop_nulls().first().alias("acted"),
            time_in_view("visible_ms"),
            time_in_view("active_ms"),
            field("seen_chars").max().alias("seen_chars"),
            field("total_chars").max().alias("total_chars"),
            is_kind("stop").any().alias("stopped"),
            field("phase").filter(is_kind("close")).last().alias("closed"),
            is_kind("regenerate").any().alias("regenerated"),
            field("chars").filter(is_kind("copy")).max().alias("copied_chars"),
            pl.col("event").sort().alias("evidence"),
        )
    )


def _votes(acts: pl.DataFrame) -> pl.DataFrame:
    """The last vote on each message counts; 0 withdraws it."""
    return (
        acts.filter((pl.col("kind") == "vote") & pl.col("message").is_not_null())
        .group_by("message", maintain_order=True)
        .agg(
            pl.col("f").struct.field("value").last().cast(pl.Int64).alias("vote"),
            pl.col("event").sort().alias("voted"),
        )
        .with_columns(pl.when(pl.col("vote") != 0).then("vote").alias("vote"))
    )


def _ratings(acts: pl.DataFrame, by: str) -> pl.DataFrame:
    """Mean over scales, each on its own range; the last value that a user gave on a scale counts."""
    value, lowest, highest = (pl.col("f").struct.field(name) for name in ("value", "lowest", "highest"))
    return (
        acts.filter((pl.col("kind") == "rating") & (highest > lowest))
        .unique([by, "user", pl.col("f").struct.field("scale")], keep="last", maintain_order=True)
        .group_by(by)
        .agg(
            ((value - lowest) / (highest - lowest)).sort().mean().clip(0, 1).alias("rating"),
            value.min().alias("rating_lowest"),
            value.max().alias("rating_highest"),
            pl.col("event").sort().alias("rated"),
        )
    )
