"""What is known of each answer, signal by signal; null is unknown, never "did not happen".

Which answers are at risk of an act is decided here, and so is the order of acts: what follows from another act is
known only given that act (a regenerate after a stop is a signal of its own), so nothing bears witness twice.
"""

import polars as pl

from unspoken.signals.episodes import READING_CHARS_PER_S
from unspoken.signals.factor.log import CLOSED_EARLY, CUT, STOPPED, UNREAD, WHOLE, Log

# All that the revealed family may read of an episode: no vote, rating, choice or solicit, nothing of a text but its
# length and whether two conversations open with the same, and not `kept`, which speaks in the sibling chain.
REVEALED_COLUMNS = (
    "message", "user", "conversation", "root_role", "root_key", "chars", "topic", "device", "anchor", "lost", "exposed",
    "finish", "duration_ms", "visible_ms", "idle_ms", "hidden_ms", "seen_chars", "total_chars", "stopped", "closed",
    "disconnected", "regenerated", "regenerate_phase", "regenerated_unread", "copied_share", "copied_code_chars",
    "shared", "selected", "edited", "longest_pause_ms", "next_act", "next_after_ms", "siblings", "last_generated",
    "evidence",
)  # fmt: skip
READ = [name for name in REVEALED_COLUMNS if name != "evidence"]  # of the evidence, only that it is there to be told
IDLE_S, IDLE_TIMES = 120.0, 3.0  # idle beyond the larger of 120 s and three reading times is not reading


def observed(episodes: pl.DataFrame, log: Log) -> pl.DataFrame:
    """One row per episode, in its order: codes of the answer, acts as 0, 1 or null, times in seconds or null.

    message, user, conversation, topic, device, anchor, chars as in frames.EPISODES (topic and device "" for null);
    opening: which text the conversation opens with, where no assistant wrote it;
    viewed: its view came; gap: events of its pages were lost on the way;
    at_risk_s: visible seconds while it was written, null unknown; stop, close: while it was written;
    regenerate (after reading), unread (a regenerate before), regenerate_stopped (given stop); copy_code, copy (given
    no code), however much was copied;
    share, select (given regenerate), edit; writes: the first act was a next message, leaves: it was a close (given
    no message);
    dwell_s: in sight, less what of it was waiting for the answer; pause_s, latency_s; idle: log(dwell / the
    active part of it), 0 unknown; censored: reading took dwell_s or longer;
    alone: whole, with no sibling, neither regenerated nor edited; short: chars is what there was when it was cut short.
    """
    seen = pl.col("exposed")
    calm = WHOLE & ~pl.col("regenerated")
    # Completion is right censoring: nobody can stop what has been written out; hidden time is not visible time.
    duration_ms = pl.coalesce("duration_ms", pl.col("chars") / pl.lit(log.chars_per_ms, pl.Float64))
    at_risk_s = (
        pl.when(WHOLE & pl.lit(log.from_completion))
        .then(duration_ms - pl.col("hidden_ms").fill_null(0).clip(0, duration_ms))
        .when(pl.col("visible_ms").is_not_null() & (duration_ms.is_not_null() | ~WHOLE))
        .then(pl.min_horizontal("visible_ms", pl.when(WHOLE).then(duration_ms).otherwise("duration_ms")))
        .when(~WHOLE)
        .then(pl.col("duration_ms") * (pl.col("seen_chars") / pl.col("total_chars")).clip(0, 1))
    ) / 1000
    code = pl.col("copied_code_chars").fill_null(0)

    def act(column: str | pl.Expr, at_risk: pl.Expr) -> pl.Expr:
        happened = (pl.col(column) if isinstance(column, str) else column).cast(pl.Int8)
        return pl.when(at_risk).then(happened)

    first = pl.col("next_act")
    alone = calm & ~pl.col("edited") & (pl.col("siblings") == 1)
    expected_s = pl.col("chars") / READING_CHARS_PER_S
    cap_ms = pl.max_horizontal(pl.lit(IDLE_S), IDLE_TIMES * expected_s) * 1000
    idle_beyond_ms = (pl.col("idle_ms").fill_null(0) - cap_ms).clip(0)
    # What was still read after completion is dwell; only what the next act took beyond it is latency.
    while_written_ms = pl.when(pl.lit(not log.from_completion)).then("duration_ms").fill_null(0)
    waited_ms = pl.col("next_after_ms") - (pl.col("visible_ms") - while_written_ms).clip(0)
    in_sight_ms = pl.col("visible_ms") - log.waiting * duration_ms
    idle = -(1 - pl.col("idle_ms") / in_sight_ms.clip(1)).clip(0.01, 1).log()
    read = WHOLE & (pl.col("visible_ms") > 0) & (pl.col("chars") > 0)
    return episodes.select(READ).select(
        "message",
        "user",
        "conversation",
        pl.when(pl.col("root_role") != "assistant").then("root_key").alias("opening"),
        pl.col("topic", "device").fill_null(""),
        "anchor",
        "chars",
        pl.col("visible_ms").is_not_null().alias("viewed"),
        (seen & (pl.col("lost") > 0).fill_null(False)).alias("gap"),
        pl.when(seen).then(at_risk_s).alias("at_risk_s"),
        act(STOPPED, seen).alias("stop"),
        act(CLOSED_EARLY & ~STOPPED, seen).alias("close"),
        act("regenerated", WHOLE).alias("regenerate"),
        act(UNREAD & ~STOPPED & ~CUT, seen).alias("unread"),
        act("regenerated", seen & STOPPED & ~CUT).alias("regenerate_stopped"),
        act(code > 0, WHOLE & pl.lit(log.code)).alias("copy_code"),
        act(pl.col("copied_share") > 0, WHOLE & (code == 0)).alias("copy"),
        act("shared", WHOLE).alias("share"),
        act("selected", WHOLE & pl.col("regenerated")).alias("select"),
        act("edited", calm & pl.col("last_generated")).alias("edit"),
        act(first.eq_missing("message"), alone & (first.is_null() | first.is_in(["message", "close"]))).alias("writes"),
        act(first.eq_missing("close"), alone & (first.is_null() | (first == "close"))).alias("leaves"),
        pl.when(read).then((in_sight_ms - idle_beyond_ms) / 1000).alias("dwell_s"),
        idle.fill_null(0.0).fill_nan(0.0).alias("idle"),
        (idle_beyond_ms > 0).alias("censored"),
        pl.when(read & (pl.col("longest_pause_ms") > 0)).then(pl.col("longest_pause_ms") / 1000).alias("pause_s"),
        pl.when(read & (waited_ms > 0)).then(waited_ms / 1000).alias("latency_s"),
        first.fill_null("").alias("next_act"),
        alone.fill_null(False).alias("alone"),
        (
            ((STOPPED | (pl.col("finish") == "stopped").fill_null(False)) & pl.lit(log.stopped_short))
            | (CUT & pl.lit(log.left_short))
        ).alias("short"),
    )
