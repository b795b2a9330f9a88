"""One row per answer: what was shown, what was done, what was said. A pure function of messages and events.

Any order of arrival and any repetition gives the same rows, in the same order (by conversation, time and id). Nothing
crosses from one conversation to another, so rows of some of them are made from their messages and events alone.
docs/episodes.md says of every column what it means, from which events it comes and what its null means.
"""

import polars as pl

from unspoken.frames import EPISODES, EVENTS, MESSAGES, check, empty
from unspoken.signals.episodes.acts import ACTS, done_to
from unspoken.signals.episodes.answers import answers_of
from unspoken.signals.episodes.columns import columns, lists
from unspoken.signals.episodes.following import following
from unspoken.signals.episodes.pages import lost
from unspoken.signals.episodes.rows import once, talks
from unspoken.signals.episodes.said import asked, ratings, votes
from unspoken.signals.episodes.told import Acts, Messages
from unspoken.signals.episodes.written import assigned, written

# Silent reading, words per minute and characters per word: Brysbaert 2019.
READING_CHARS_PER_S = 238 / 60 * 5.7
# Text of many events that is wanted in one piece: from several, as it comes out of files, it is fetched far slower.
FETCHED = ("event", "user", "device", "arm", "topic")
STATED_KINDS = ("vote", "rating", "choice", "solicit")
# Regenerated before this: whoever did so had not read it (science: §3).
UNREAD_MS, UNREAD_SHARE = 1500.0, 0.15


def episodes(messages: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """frames.EPISODES from frames.MESSAGES and frames.EVENTS. Answers in a cycle of parents are left out.

    Rows in the order of conversation, time and id, as they are sealed, are quickest.
    """
    every = once(check(messages, MESSAGES, "messages").rechunk(), "message")
    events = once(check(events, EVENTS, "events"), "event")
    events = events.with_columns(events[name].rechunk() for name in FETCHED)
    talk, event_talk = talks(every, events)
    known = Messages.placed(every, talk)
    is_answer = (known.frame["role"] == "assistant").to_numpy()
    answers, rows = answers_of(known, is_answer)
    if answers.is_empty():
        return empty(EPISODES)
    acts = Acts(events, event_talk, known)
    own = acts.own()
    said, completed = written(acts, known, own)
    seen, voted = acts.on(*ACTS), acts.on("vote")
    next_one, continued, edited = following(known, acts, own, completed)
    (rated, rated_by), (rated_whole, rated_whole_by) = ratings(acts, known)
    found = [
        said, *done_to(acts, seen), next_one, lost(acts, rows), votes(voted), asked(acts.on("solicit")), rated,
        rated_whole,
    ]  # fmt: skip
    ids = events["event"]
    evidence = lists([seen.listed(), continued, edited], rows, ids, "evidence")
    stated = lists([voted.listed(), rated_by, rated_whole_by], rows, ids, "stated_evidence")
    whole = _whole(pl.concat([answers, columns(found, rows)], how="horizontal")).with_columns(evidence, stated)
    return check(whole, EPISODES, "episodes")


def _whole(rows: pl.DataFrame) -> pl.DataFrame:
    """What takes more than one of the parts."""
    unread_ms = pl.max_horizontal(pl.lit(UNREAD_MS), UNREAD_SHARE * 1000 * pl.col("chars") / READING_CHARS_PER_S)
    vote = pl.col("vote").cast(pl.Int64)
    direct = pl.col("rating").is_not_null()

    def of_answer(copied: str) -> pl.Expr:
        """No more than the answer has."""
        return pl.col(copied).clip(upper_bound=pl.col("chars"))

    arms = [assigned(rows["arm"]), assigned(rows["acted_arm"], "acted_")]
    return pl.concat([rows, *arms], how="horizontal").with_columns(
        pl.col("exposed") | pl.col("continued"),
        # Where the page said that the user stopped it or left, that is the cause.
        (pl.col("cut_off") & ~pl.col("stopped") & ~pl.col("told")).alias("disconnected"),
        (pl.col("regenerated") & (pl.col("visible_ms") < unread_ms).fill_null(False)).alias("regenerated_unread"),
        (of_answer("copied_chars").fill_null(0) / pl.max_horizontal("chars", pl.lit(1))).alias("copied_share"),
        of_answer("copied_code_chars"),
        of_answer("copied_prose_chars"),
        pl.coalesce("user", "acted_user"),
        pl.coalesce("acted_device", "wrote_device").alias("device"),
        pl.coalesce("prompt_topic", "own_topic").alias("topic"),
        pl.coalesce("policy", "acted_policy").alias("policy"),
        pl.coalesce("anchor", "acted_anchor").alias("anchor"),
        pl.when(vote != 0).then(vote).alias("vote"),  # 0 withdraws it
        pl.when(direct)
        .then(pl.lit("answer"))
        .when(pl.col("rating_whole").is_not_null())
        .then(pl.lit("conversation"))
        .alias("rating_by"),
        pl.coalesce("rating", "rating_whole"),
        pl.when(direct).then("rating_lowest").otherwise("rating_lowest_whole").alias("rating_lowest"),
        pl.when(direct).then("rating_highest").otherwise("rating_highest_whole").alias("rating_highest"),
    )
