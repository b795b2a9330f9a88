"""Accounts that no person is behind: four rules over the answers of a user, each a number with its reason in words.

A rule needs two things: a number that no person reaches, and people who are far from it: half of the users of the same
log at least. Where everybody is at the number it is how the log was made (a clock of whole minutes, times made up by an
importer, a page that sends without a pause), so the rule flags nobody.
"""

import polars as pl

# Answers of a known time: a user with less than FEWEST may have come by a number by chance; with COMPARED the user says
# something of what is usual, and most users have few.
FEWEST, COMPARED = 10, 3
# Robust spread of the logarithm of reading times: of one person it is .3 to .6 (science: §3, dwell).
DWELL_SPREAD = 0.05
# Whoever leaves when the stream ends has the stream's time: not judged within this share of it, or within these ms.
STREAM_SHARE, STREAM_MS = 0.25, 200
# Hours awake. Four hours are the shortest pause that is a night. A night without one happens; 30 hours in which
# somebody comes back before each fourth hour is over do not.
NIGHT_H, AWAKE_H = 4, 30.0
# From the whole answer to the next message: nobody reads, thinks and sends in half a second, time after time.
REPLY_MS = 500.0
# Robust spread of the times between prompts that are LEAST_S and more apart, s. Whoever comes at nine each morning
# comes minutes early or late, and in quick talk times may well agree by a second.
INTERVAL_S, LEAST_S = 2.0, 60
# The number has to lie this factor beyond the median user's; of hours, which have an end, this one.
FAR, FAR_AWAKE = 3.0, 2.0

READ = ("user", "at", "latency_s", "chars", "duration_ms", "visible_ms", "stopped", "reply_after_ms")
FLAGGED = {"user": pl.UInt32, "reason": pl.String}


def bots(episodes: pl.DataFrame) -> pl.DataFrame:
    """user, reason of every flagged user of frames.EPISODES, by user: the reason of the first rule that holds.

    What was measured on no clock is not judged: answers count where a page said how long they were in view, or the
    chatbot how long they took.
    """
    measured = pl.col("visible_ms").is_not_null() | pl.col("duration_ms").is_not_null()
    answers = episodes.lazy().filter(pl.col("user").is_not_null() & measured).select(READ).collect()
    names = answers["user"].unique().sort()
    # Users by number: sorting and grouping by 64 characters takes several times as long.
    number = names.to_frame().with_row_index("number")
    known = answers.join(number, on="user").with_columns(user="number").drop("number").sort("user", "at")
    found = [
        _below(_dwell(known), DWELL_SPREAD, "reading times all alike: spread {}, where people's is {}; {} answers"),
        _awake(known),
        _below(_replies(known), REPLY_MS, "faster than anyone: replies after {} ms, where people take {}; {} answers"),
        _below(
            _intervals(known),
            INTERVAL_S,
            "like a clock: prompts within {} s of their beat, where people's are within {} s; {} prompts",
        ),
    ]
    flagged = pl.concat([frame.with_columns(pl.lit(n).alias("rule")) for n, frame in enumerate(found)])
    first = flagged.sort("user", "rule").unique("user", keep="first", maintain_order=True)
    return first.select(pl.Series("user", names.gather(first["user"]), dtype=pl.String), "reason")


def _below(numbers: pl.DataFrame, limit: float, words: str) -> pl.DataFrame:
    """Who is below the limit (of user, number, answers), the median user being FAR above: user, reason."""
    usual = pl.col("number").filter(pl.col("answers") >= COMPARED).median()
    beside = numbers.with_columns(usual.alias("usual"))
    far = (pl.col("number") < limit) & (pl.col("number") * FAR < pl.col("usual"))
    worst = beside.filter((pl.col("answers") >= FEWEST) & far).select("user", "number", "usual", "answers")
    said = [(user, words.format(_plain(n), _plain(median), k)) for user, n, median, k in worst.iter_rows()]
    return pl.DataFrame(said, schema=FLAGGED, orient="row")


def _plain(number: float) -> str:
    """For people to read."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _dwell(known: pl.DataFrame) -> pl.DataFrame:
    """user, number, answers: the spread of log reading time, and of its rate, whichever is less.

    Where the chatbot does not say how long its answers took, an even rate may be the stream's: time alone is judged.
    """
    visible, streamed = pl.col("visible_ms"), pl.col("duration_ms").fill_null(0)
    own = (visible - streamed).abs() > pl.max_horizontal(pl.lit(STREAM_MS), STREAM_SHARE * streamed)
    read = known.filter((visible > 0) & own & (pl.col("chars") > 0))
    time, rate = _spread(visible.log()), _spread((visible / pl.col("chars")).log())
    told = pl.col("duration_ms").is_not_null().all()
    number = pl.when(told).then(pl.min_horizontal(time, rate)).otherwise(time)
    return read.group_by("user").agg(number.alias("number"), pl.len().alias("answers"))


def _replies(known: pl.DataFrame) -> pl.DataFrame:
    """user, number, answers: the median time from a whole answer to the next message, ms."""
    answered = known.filter(~pl.col("stopped") & (pl.col("reply_after_ms") > 0))
    return answered.group_by("user").agg(pl.col("reply_after_ms").median().alias("number"), pl.len().alias("answers"))


def _intervals(known: pl.DataFrame) -> pl.DataFrame:
    """user, number, answers: the spread of the times between prompts, s."""
    latency = pl.duration(microseconds=(pl.col("latency_s").fill_null(0) * 1e6).cast(pl.Int64))
    asked = known.select("user", (pl.col("at") - latency).alias("asked")).sort("user", "asked")
    between = asked.with_columns(pl.col("asked").diff().over("user").dt.total_milliseconds().alias("ms"))
    times = between.filter(pl.col("ms") >= LEAST_S * 1000)
    return times.group_by("user").agg((_spread(pl.col("ms")) / 1000).alias("number"), pl.len().alias("answers"))


def _awake(known: pl.DataFrame) -> pl.DataFrame:
    """Who was active for AWAKE_H hours and more without one pause of a night: user, reason."""
    pause = pl.col("at").diff().over("user").fill_null(pl.duration()) >= pl.duration(hours=NIGHT_H)
    stretches = known.with_columns(pause.cum_sum().over("user").alias("stretch")).group_by("user", "stretch")
    spans = stretches.agg(
        ((pl.col("at").max() - pl.col("at").min()).dt.total_seconds() / 3600).alias("hours"),
        pl.len().alias("answers"),
    )
    longest = spans.sort("user", "hours", "stretch").group_by("user", maintain_order=True).last()
    far = (pl.col("hours") >= AWAKE_H) & (pl.col("hours") > FAR_AWAKE * pl.col("hours").median())
    worst = longest.filter((pl.col("answers") >= FEWEST) & far).select("user", "hours", "answers")
    words = "never asleep: {:.0f} hours without a pause of {}; {} answers"
    said = [(user, words.format(hours, NIGHT_H, k)) for user, hours, k in worst.iter_rows()]
    return pl.DataFrame(said, schema=FLAGGED, orient="row")


def _spread(values: pl.Expr) -> pl.Expr:
    """Robust standard deviation: what three quarters lie within of the median, scaled to a normal's.

    By the half, as is usual, ten answers of one person are alike by chance once in 2,000 users; so, once in 50,000.
    """
    return (values - values.median()).abs().quantile(0.75, "linear") / 1.1503
