"""What is known of each answer, signal by signal; null is unknown, never "did not happen".

Which answers are at risk of an act is decided here, and so is the order of acts: what follows from another act is
known only given that act (a regenerate after a stop is a signal of its own), so nothing bears witness twice.
"""

import polars as pl

from unspoken.signals.episodes import READING_CHARS_PER_S

# All that the revealed family may read of an episode: no vote, rating, choice or solicit, nothing of a text but its
# length, and not `kept`, which speaks in the sibling chain.
REVEALED_COLUMNS = (
    "message", "user", "chars", "topic", "device", "anchor", "lost", "exposed", "duration_ms", "visible_ms", "idle_ms",
    "hidden_ms", "seen_chars", "total_chars", "stopped", "closed", "disconnected", "regenerated", "regenerate_phase",
    "regenerated_unread", "copied_share", "copied_code_chars", "shared", "selected", "edited", "longest_pause_ms",
    "next_act", "next_after_ms", "siblings", "last_generated", "evidence",
)  # fmt: skip
SHORT, SOME, TICK_MS = 0.75, 0.02, 1000  # of the time that an answer took; of the answers; clocks of different programs
IDLE_S, IDLE_TIMES = 120.0, 3.0  # idle beyond the larger of 120 s and three reading times is not reading


def observed(episodes: pl.DataFrame) -> pl.DataFrame:
    """One row per episode, in its order: codes of the answer, acts as 0, 1 or null, times in seconds or null.

    message, user, topic, device, anchor, chars as in frames.EPISODES (topic and device "" for null);
    viewed: its view came; gap: events of its pages were lost on the way;
    at_risk_s: visible seconds while it was written, null unknown; stop, close: while it was written;
    regenerate (after reading), unread (a regenerate before), regenerate_stopped (given stop); copy_code, copy (given
    no code), however much was copied;
    share, select (given regenerate), edit; writes: the first act was a next message, leaves: it was a close (given
    no message);
    dwell_s, pause_s, latency_s; idle: log(visible / active), 0 unknown; slowness: log of how
    long a character took to be written, beside the median, 0 unknown; censored: reading took dwell_s or longer;
    alone: whole, with no sibling, neither regenerated nor edited.
    """
    seen = pl.col("exposed")
    unread = pl.col("regenerated_unread")
    closed_early = (pl.col("closed") == "streaming").fill_null(False)
    # A regenerate while it was written is a stop, then a regenerate, which is one decision.
    stopped = pl.col("stopped") | ((pl.col("regenerate_phase") == "streaming").fill_null(False) & ~unread)
    # Gone before it was complete, and events are missing: a stop or a close is among them, nobody knows which.
    vanished = ((pl.col("lost") > 0) & (pl.col("visible_ms") < pl.col("duration_ms"))).fill_null(False) & ~unread
    cut = closed_early | pl.col("disconnected") | (vanished & ~stopped)
    # Whatever a user does with an answer that was cut short, or not read, says nothing of a whole one.
    whole = seen & ~stopped & ~cut & ~unread
    calm = whole & ~pl.col("regenerated")
    # Completion is right censoring: nobody can stop what has been written out; hidden time is not visible time.
    duration_ms = pl.coalesce("duration_ms", pl.col("chars") / _chars_per_ms(whole, stopped | closed_early))
    at_risk_s = (
        pl.when(whole & _from_completion(whole))
        .then(duration_ms - pl.col("hidden_ms").fill_null(0).clip(0, duration_ms))
        .when(pl.col("visible_ms").is_not_null() & (duration_ms.is_not_null() | ~whole))
        .then(pl.min_horizontal("visible_ms", pl.when(whole).then(duration_ms).otherwise("duration_ms")))
        .when(~whole)
        .then(pl.col("duration_ms") * (pl.col("seen_chars") / pl.col("total_chars")).clip(0, 1))
    ) / 1000
    code = pl.col("copied_code_chars").fill_null(0)
    any_code = pl.col("copied_code_chars").is_not_null().any()

    def act(column: str | pl.Expr, at_risk: pl.Expr) -> pl.Expr:
        happened = (pl.col(column) if isinstance(column, str) else column).cast(pl.Float64)
        return pl.when(at_risk).then(happened)

    first = pl.col("next_act")
    alone = calm & ~pl.col("edited") & (pl.col("siblings") == 1)
    expected_s = pl.col("chars") / READING_CHARS_PER_S
    cap_ms = pl.max_horizontal(pl.lit(IDLE_S), IDLE_TIMES * expected_s) * 1000
    idle_beyond_ms = (pl.col("idle_ms").fill_null(0) - cap_ms).clip(0)
    idle = -(1 - pl.col("idle_ms") / pl.col("visible_ms")).clip(0.01, 1).log()
    slowness = pl.when((pl.col("duration_ms") > 0) & (pl.col("chars") > 0) & whole).then(
        (pl.col("duration_ms") / pl.col("chars")).log()
    )
    # What was still read after completion is dwell; only what the next act took beyond it is latency.
    while_written_ms = pl.when(~_from_completion(whole)).then("duration_ms").fill_null(0)
    waited_ms = pl.col("next_after_ms") - (pl.col("visible_ms") - while_written_ms).clip(0)
    read = whole & (pl.col("visible_ms") > 0) & (pl.col("chars") > 0)
    return episodes.select(REVEALED_COLUMNS).select(
        "message",
        "user",
        pl.col("topic", "device").fill_null(""),
        "anchor",
        "chars",
        pl.col("visible_ms").is_not_null().alias("viewed"),
        (seen & (pl.col("lost") > 0).fill_null(False)).alias("gap"),
        pl.when(seen).then(at_risk_s).alias("at_risk_s"),
        act(stopped, seen).alias("stop"),
        act(closed_early & ~stopped, seen).alias("close"),
        act("regenerated", whole).alias("regenerate"),
        act(unread & ~stopped & ~cut, seen).alias("unread"),
        act("regenerated", seen & stopped & ~cut).alias("regenerate_stopped"),
        act(code > 0, whole & any_code).alias("copy_code"),
        act(pl.col("copied_share") > 0, whole & (code == 0)).alias("copy"),
        act("shared", whole).alias("share"),
        act("selected", whole & pl.col("regenerated")).alias("select"),
        act("edited", calm & pl.col("last_generated")).alias("edit"),
        act(first.eq_missing("message"), alone & (first.is_null() | first.is_in(["message", "close"]))).alias("writes"),
        act(first.eq_missing("close"), alone & (first.is_null() | (first == "close"))).alias("leaves"),
        pl.when(read).then((pl.col("visible_ms") - idle_beyond_ms) / 1000).alias("dwell_s"),
        idle.fill_null(0.0).fill_nan(0.0).alias("idle"),
        (slowness - slowness.median()).fill_null(0.0).alias("slowness"),
        (idle_beyond_ms > 0).alias("censored"),
        pl.when(read & (pl.col("longest_pause_ms") > 0)).then(pl.col("longest_pause_ms") / 1000).alias("pause_s"),
        pl.when(read & (waited_ms > 0)).then(waited_ms / 1000).alias("latency_s"),
        first.fill_null("").alias("next_act"),
        alone.fill_null(False).alias("alone"),
    )


def _from_completion(whole: pl.Expr) -> pl.Expr:
    """Whether this log's views count from completion, and not from the first token as the event's definition has it.

    Both signs of it: some whole answers were in sight for less than it took to write them, with nothing hidden that
    would explain it; and next to none for longer than it took from completion to the message that replied.
    """
    told = whole & pl.col("visible_ms").is_not_null() & pl.col("duration_ms").is_not_null()
    short = told & (pl.col("visible_ms") + pl.col("hidden_ms").fill_null(0) < SHORT * pl.col("duration_ms"))
    replied = told & (pl.col("next_act") == "message").fill_null(False)
    beyond = replied & (pl.col("visible_ms") > pl.col("next_after_ms") + TICK_MS)
    return (short.sum() > SOME * told.sum()) & (beyond.sum() <= SOME * replied.sum())


def _chars_per_ms(whole: pl.Expr, cut: pl.Expr) -> pl.Expr:
    """How fast this log's answers come, for those that do not say how long they took: as the others do, or, where none
    says it, as those that were cut short while they were watched. (Were whole answers at risk for a time that nobody
    knows, stops would be compared with stops alone.)
    """
    said = (pl.col("chars") / pl.col("duration_ms")).filter(whole & (pl.col("duration_ms") > 0) & (pl.col("chars") > 0))
    watched = cut & (pl.col("visible_ms") > 0) & (pl.col("seen_chars") > 0)
    seen = (pl.col("seen_chars") / pl.col("visible_ms")).filter(watched)
    return pl.coalesce(said.median(), seen.median())
