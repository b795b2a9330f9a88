"""One row per answer: what was shown, what was done, what was said. A pure function of messages and events.

Any order of arrival and any repetition gives the same rows, in the same order (by conversation, time and id). Nothing
crosses from one conversation to another, so rows of some of them are made from their messages and events alone.
docs/episodes.md says of every column what it means, from which events it comes and what its null means.
"""

import polars as pl

from unspoken.frames import EPISODES, EVENTS, MESSAGES, check, empty
from unspoken.signals.episodes.acts import done_to
from unspoken.signals.episodes.answers import answers_of
from unspoken.signals.episodes.following import following
from unspoken.signals.episodes.pages import lost
from unspoken.signals.episodes.rows import Acts, beside, in_order, once, rows_of, together
from unspoken.signals.episodes.said import asked, ratings, votes
from unspoken.signals.episodes.written import written

# Silent reading, words per minute and characters per word: Brysbaert 2019.
READING_CHARS_PER_S = 238 / 60 * 5.7
STATED_KINDS = ("vote", "rating", "choice", "solicit")
# Regenerated before this: whoever did so had not read it (science: §3).
UNREAD_MS, UNREAD_SHARE = 1500.0, 0.15
# The ids that a row rests on, in this order.
LISTS = {
    "evidence": ("evidence", "continued_by", "edited_by"),
    "stated_evidence": ("voted", "rated", "rated_whole"),
}


def episodes(messages: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """frames.EPISODES from frames.MESSAGES and frames.EVENTS. Answers in a cycle of parents are left out.

    Rows in the order of conversation, time and id, as they are sealed, are quickest.
    """
    messages = in_order(check(messages, MESSAGES, "messages"))
    events = once(check(events, EVENTS, "events"), "event")
    parent = rows_of(messages["parent"], messages["conversation"], messages)
    answers = answers_of(messages, parent)
    if answers.is_empty():
        return empty(EPISODES)
    acts = Acts(events, messages)
    answers = written(answers, acts)
    rated, rated_whole = ratings(acts)
    parts = [
        *done_to(acts),
        following(answers, messages, parent, acts),
        lost(acts, answers),
        votes(acts),
        asked(acts),
        rated,
    ]
    rows = pl.concat([answers, beside(answers["row"].to_numpy(), parts, len(messages))], how="horizontal")
    rows = rows.join(rated_whole, on="conversation", how="left", maintain_order="left", suffix="_whole")
    lists = [together(rows, columns, name) for name, columns in LISTS.items()]
    rows = pl.concat([rows.drop("evidence"), beside(rows["row"].to_numpy(), lists, len(messages))], how="horizontal")
    return check(_whole(rows), EPISODES, "episodes")


def _whole(rows: pl.DataFrame) -> pl.DataFrame:
    """What takes more than one of the parts, and what it is where a part has no row."""
    happened = ("exposed", "stopped", "cut_off", "told", "regenerated", "shared", "selected", "edited")
    unread_ms = pl.max_horizontal(pl.lit(UNREAD_MS), UNREAD_SHARE * 1000 * pl.col("chars") / READING_CHARS_PER_S)
    direct = pl.col("rating").is_not_null()
    none = pl.lit([], dtype=pl.List(pl.String))

    def of_answer(copied: str) -> pl.Expr:
        """No more than the answer has."""
        return pl.col(copied).clip(upper_bound=pl.col("chars"))

    return rows.with_columns(pl.col(*happened).fill_null(False)).with_columns(
        pl.col("exposed") | pl.col("continued"),
        # Where the page said that the user stopped it or left, that is the cause.
        (pl.col("cut_off") & ~pl.col("stopped") & ~pl.col("told")).alias("disconnected"),
        (pl.col("regenerated") & (pl.col("visible_ms") < unread_ms).fill_null(False)).alias("regenerated_unread"),
        (of_answer("copied_chars").fill_null(0) / pl.max_horizontal("chars", pl.lit(1))).alias("copied_share"),
        of_answer("copied_code_chars"),
        of_answer("copied_prose_chars"),
        pl.coalesce("user", "acted_user"),
        pl.coalesce("acted_device", "wrote_device").alias("device"),
        pl.coalesce("policy", "acted_policy").alias("policy"),
        pl.coalesce("anchor", "acted_anchor").alias("anchor"),
        pl.when(direct)
        .then(pl.lit("answer"))
        .when(pl.col("rating_whole").is_not_null())
        .then(pl.lit("conversation"))
        .alias("rating_by"),
        pl.coalesce("rating", "rating_whole"),
        pl.when(direct).then("rating_lowest").otherwise("rating_lowest_whole").alias("rating_lowest"),
        pl.when(direct).then("rating_highest").otherwise("rating_highest_whole").alias("rating_highest"),
        *(pl.coalesce(name, none) for name in LISTS),
    )
