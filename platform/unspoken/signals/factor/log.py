"""What a whole log says of how it was written: settled before the fit, so that an answer reads alike beside any other.

Programs that send events differ in what the events' definition leaves open. Which answers came out whole is told here.
"""

from dataclasses import dataclass

import polars as pl

from unspoken.signals.factor.waiting import READ, waiting

SHORT, SOME, TICK_MS = 0.75, 0.02, 1000  # of the time that an answer took; of the answers; clocks of different programs
LONGER = 1.3  # times what came by then: half of what is stopped is stopped before the middle

UNREAD = pl.col("regenerated_unread")
CLOSED_EARLY = (pl.col("closed") == "streaming").fill_null(False)
# A regenerate while it was written is a stop, then a regenerate, which is one decision.
STOPPED = pl.col("stopped") | ((pl.col("regenerate_phase") == "streaming").fill_null(False) & ~UNREAD)
# Gone before it was complete, or who wrote it says it was stopped: a stop or a close is missing, nobody knows which.
_GONE = (pl.col("lost") > 0) & (pl.col("visible_ms") < pl.col("duration_ms"))
_VANISHED = (_GONE.fill_null(False) | (pl.col("finish") == "stopped").fill_null(False)) & ~UNREAD
CUT = CLOSED_EARLY | pl.col("disconnected") | (_VANISHED & ~STOPPED)
# Whatever a user does with an answer that was cut short, or not read, says nothing of a whole one.
WHOLE = pl.col("exposed") & ~STOPPED & ~CUT & ~UNREAD


@dataclass(frozen=True)
class Log:
    """How a log tells code and time.

    code: whether copies of code are told apart. from_completion: whether views count from completion, and not from the
    first token as the event's definition has it. chars_per_ms: how fast answers come that do not say how long they
    took, None unknown. waiting: the share of the time an answer was written that is no reading of it: 0 where people
    read along, 1 where they begin when it is complete. stopped_short, left_short: whether the text of an answer that
    was stopped, or left, ends there.
    """

    code: bool
    from_completion: bool
    chars_per_ms: float | None
    waiting: float
    stopped_short: bool
    left_short: bool


def log_of(episodes: pl.DataFrame) -> Log:
    """Of frames.EPISODES rows, the more the better."""
    written = WHOLE & (pl.col("duration_ms") > 0) & (pl.col("chars") > 0)
    ms_per_char = episodes.select(pl.col("duration_ms").filter(written) / pl.col("chars").filter(written)).to_series()
    from_completion = bool(episodes.select(_from_completion()).item())
    sure = WHOLE & (pl.col("lost").fill_null(0) == 0)  # or else a stop that never came looks like reading in no time
    chars_per_ms = _chars_per_ms(episodes, ms_per_char)
    return Log(
        code=episodes["copied_code_chars"].is_not_null().any(),
        from_completion=from_completion,
        chars_per_ms=chars_per_ms,
        waiting=0.0 if from_completion else waiting(episodes.lazy().filter(sure).select(READ).collect()),
        stopped_short=_ends_there(episodes.filter(STOPPED), chars_per_ms),
        left_short=_ends_there(episodes.filter(CLOSED_EARLY), chars_per_ms),
    )


def _ends_there(cut: pl.DataFrame, chars_per_ms: float | None) -> bool:
    """Whether answers that were cut short are mostly no longer than what can have come by then."""
    if chars_per_ms is None:
        return False
    told = cut.filter((pl.col("visible_ms") > 0) & (pl.col("chars") > 0))
    times = told.select(pl.col("chars") / (chars_per_ms * pl.col("visible_ms"))).to_series()
    return len(times) > 0 and float(times.median()) < LONGER  # type: ignore[arg-type]


def _from_completion() -> pl.Expr:
    """Both signs of it: some whole answers were in sight for less than it took to write them, with nothing hidden that
    would explain it; and next to none for longer than it took from completion to the message that replied.
    """
    told = WHOLE & pl.col("visible_ms").is_not_null() & pl.col("duration_ms").is_not_null()
    short = told & (pl.col("visible_ms") + pl.col("hidden_ms").fill_null(0) < SHORT * pl.col("duration_ms"))
    replied = told & (pl.col("next_act") == "message").fill_null(False)
    beyond = replied & (pl.col("visible_ms") > pl.col("next_after_ms") + TICK_MS)
    return (short.sum() > SOME * told.sum()) & (beyond.sum() <= SOME * replied.sum())


def _chars_per_ms(episodes: pl.DataFrame, ms_per_char: pl.Series) -> float | None:
    """As whole answers that say it came, or, where none does, as those that were cut short while they were watched.

    (Were whole answers at risk for a time that nobody knows, stops would be compared with stops alone.)
    """
    if len(ms_per_char):
        return 1 / float(ms_per_char.median())  # type: ignore[arg-type]
    watched = (STOPPED | CLOSED_EARLY) & (pl.col("visible_ms") > 0) & (pl.col("seen_chars") > 0)
    rates = episodes.filter(watched).select(pl.col("seen_chars") / pl.col("visible_ms")).to_series()
    return float(rates.median()) if len(rates) else None  # type: ignore[arg-type]
