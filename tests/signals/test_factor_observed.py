"""How times are read in logs that leave open, or tell otherwise, what the definition of events says."""

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal
from tests.signals.factor_world import draw

from unspoken.signals.factor.design import design
from unspoken.signals.factor.log import log_of
from unspoken.signals.factor.observed import REVEALED_COLUMNS, observed

EPISODES = draw(4000, seed=3).episodes
WHOLE = ~pl.col("stopped") & pl.col("closed").ne_missing("streaming") & ~pl.col("regenerated_unread")


def seen(episodes: pl.DataFrame) -> pl.DataFrame:
    return observed(episodes.select(REVEALED_COLUMNS), log_of(episodes))


def test_answers_that_do_not_say_how_long_they_took_came_as_fast_as_those_cut_short():
    """Were whole answers at risk for a time that nobody knows, stops would be compared with stops alone."""
    told = seen(EPISODES)["at_risk_s"]
    counted = (pl.min_horizontal("visible_ms", "duration_ms") * 60 // 1000).alias("seen_chars")  # 60 a second came
    silent = EPISODES.with_columns(counted, duration_ms=pl.lit(None, pl.Int64))
    found = seen(silent)["at_risk_s"]
    assert found.null_count() == 0
    assert 0.8 < np.median(found / told) < 1.25


def test_views_that_count_from_completion_leave_whole_answers_at_risk_all_the_while():
    """In sight for less than it took to write, nothing hidden, and the reply never comes before the reading ends."""
    hasty = (
        pl.when(pl.int_range(pl.len()) % 10 == 0).then(pl.col("duration_ms") // 2).otherwise(pl.col("duration_ms") * 3)
    )
    late = EPISODES.with_columns(
        visible_ms=pl.when(WHOLE).then(hasty).otherwise("visible_ms"), hidden_ms=pl.lit(0, pl.Int64)
    ).with_columns(next_after_ms=pl.col("visible_ms") + 3000, next_act=pl.lit("message"))
    found = seen(late).filter(whole_of(late))
    expected = late.filter(WHOLE)["duration_ms"] / 1000
    assert np.allclose(found["at_risk_s"].to_numpy(), expected.to_numpy())
    assert np.allclose(found["latency_s"].drop_nulls().to_numpy(), 3.0)
    # A reply that comes while the answer is in sight: views count from the first token, and it was not always seen.
    early = late.with_columns(next_after_ms=pl.lit(1000, pl.Int64))
    assert (seen(early).filter(whole_of(early))["at_risk_s"] < expected - 1e-6).any()


def whole_of(episodes: pl.DataFrame) -> pl.Series:
    return episodes.select(WHOLE).to_series()


def test_a_dwell_that_holds_the_time_of_writing_is_not_longer_for_a_slow_answer():
    slow = np.exp(np.random.default_rng(0).normal(0, 0.6, len(EPISODES)))
    took = (EPISODES["duration_ms"] * pl.Series(slow)).cast(pl.Int64)
    longer = EPISODES.with_columns(
        visible_ms=pl.when(WHOLE).then(pl.col("visible_ms") + took).otherwise("visible_ms"), duration_ms=took
    )
    rows = seen(longer)
    z = design(rows, 0.0, log_of(longer)).rows(rows).known["dwell"]
    known = np.isfinite(z)
    assert abs(np.corrcoef(z[known], np.log(slow[known]))[0, 1]) < 0.05


def test_a_stop_that_was_lost_on_the_way_is_not_taken_for_reading_in_no_time():
    waited = pl.when(WHOLE).then(pl.col("visible_ms") + pl.col("duration_ms")).otherwise("visible_ms")
    gone = pl.int_range(pl.len()) % 20 == 0
    lossy = EPISODES.with_columns(
        visible_ms=pl.when(gone).then("duration_ms").otherwise(waited),
        stopped=~gone & pl.col("stopped"),
    )
    assert log_of(lossy).waiting < 1
    assert log_of(lossy.with_columns(lost=gone.cast(pl.Int64))).waiting == 1
    assert log_of(lossy.with_columns(finish=pl.when(gone).then(pl.lit("stopped")))).waiting == 1


def test_an_answer_is_read_alike_beside_many_others_and_alone():
    log = log_of(EPISODES)
    rows = EPISODES.select(REVEALED_COLUMNS)
    assert_frame_equal(observed(rows, log).head(7), observed(rows.head(7), log))


def test_an_answer_that_was_stopped_by_its_writer_s_word_is_not_judged_as_a_whole_one():
    said = EPISODES.with_columns(finish=pl.lit("stopped"), copied_share=pl.lit(1.0))
    found = seen(said)
    assert found.filter(pl.col("stop") == 0)["copy"].null_count() == found.filter(pl.col("stop") == 0).height
    assert found["dwell_s"].null_count() == len(found)
    known = found.filter((pl.col("stop") == 0) & (pl.col("close") == 0) & pl.col("viewed"))
    assert known["at_risk_s"].is_not_null().all()  # nobody stopped it that we know of, until it was gone
