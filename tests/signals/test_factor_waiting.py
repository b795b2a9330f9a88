"""Whether people read along while an answer is written, or wait for the whole of it."""

import numpy as np
import polars as pl
import pytest
from tests.signals.factor_world import READING

from unspoken.signals.factor.waiting import ENOUGH, waiting

random = np.random.default_rng(0)
CHARS = np.exp(random.normal(6.5, 0.5, 4000))
WRITTEN_S = CHARS / 60 * np.exp(random.normal(0, 0.2, 4000))
READ_S = np.exp(np.log(CHARS / READING) + random.normal(0, 0.5, 4000))


def whole(seen_s: np.ndarray, idle_s: np.ndarray | float = 0.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "chars": CHARS.astype(int),
            "visible_ms": (1000 * (seen_s + idle_s)).astype(int),
            "idle_ms": (1000 * (idle_s + 0 * seen_s)).astype(int),
            "hidden_ms": np.zeros(len(CHARS), int),
            "duration_ms": (1000 * WRITTEN_S).astype(int),
        }
    )


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_how_much_of_the_writing_people_wait_for_is_found_in_the_times_seen(share):
    assert waiting(whole(np.maximum(WRITTEN_S, share * WRITTEN_S + READ_S))) == share


def test_idle_time_of_some_is_not_taken_for_waiting():
    idle_s = np.where(random.random(len(CHARS)) < 0.1, random.uniform(30, 110, len(CHARS)), 0)
    assert waiting(whole(np.maximum(WRITTEN_S, READ_S), idle_s)) == 0
    assert waiting(whole(WRITTEN_S + READ_S, idle_s)) == 1


def test_slow_writing_that_all_but_a_few_read_along_with_is_not_waited_for():
    slow = pl.DataFrame(whole(np.maximum(4 * WRITTEN_S, READ_S))).with_columns(duration_ms=pl.col("duration_ms") * 4)
    assert waiting(slow) == 0


def test_too_few_times_say_nothing():
    assert waiting(whole(WRITTEN_S + READ_S).head(ENOUGH - 1)) == 0
