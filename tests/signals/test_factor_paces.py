"""Times against what length, user and next act let one expect: the shape of a habit is not a judgement."""

import numpy as np
import pytest

from unspoken.signals.factor.paces import ENOUGH, common, fit_pace

N = 4_000


@pytest.fixture
def reading():
    """(worth, log of the length, log of the seconds read) of N answers."""
    random = np.random.default_rng(5)
    worth, log_length = random.normal(size=N), random.normal(3, 0.5, N)
    return worth, log_length, log_length + 0.2 * worth + 0.3 * random.normal(size=N)


def scores(log_s, covariates, next_act=None):
    groups = {} if next_act is None else {"next_act": next_act}
    sizes = {} if next_act is None else {"next_act": int(next_act.max()) + 1}
    nobody = {"user": np.full(len(log_s), -1)}
    pace = fit_pace(log_s, covariates, nobody, groups, sizes)
    return pace, pace.residuals(log_s, covariates, nobody, groups)


def test_idle_time_that_is_a_share_of_the_reading_does_not_take_the_reading_away(reading):
    worth, log_length, log_read = reading
    idle_s = 0.1 * np.exp(log_read)  # beside the seconds that it took to come, which are never idle
    visible_s = np.exp(log_read) + np.exp(log_length) / 4
    lengthened = -np.log(1 - idle_s / visible_s)
    pace, left = scores(np.log(visible_s), np.column_stack([log_length, lengthened]))
    assert pace.slopes[1] == pytest.approx(1)
    assert np.corrcoef(left, worth)[0, 1] > 0.45  # of .55 that the reading itself has


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_how_much_of_idle_time_is_reading_the_times_say(reading, share):
    _, log_length, log_read = reading
    lengthened = np.random.default_rng(6).exponential(0.3, N)
    pace, _ = scores(log_read + share * lengthened, np.column_stack([log_length, lengthened]))
    assert pace.slopes[1] == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("unit", ["opening", "conversation"])
def test_what_makes_a_whole_conversation_slow_is_no_judgement(reading, unit):
    worth, log_length, log_read = reading
    random = np.random.default_rng(8)
    users = random.integers(0, N // 40, N)
    codes = random.integers(0, N // 25, N) if unit == "opening" else users * 8 + random.integers(0, 8, N)
    slow = random.normal(0, 0.6, N)[codes] + random.normal(0, 0.3, N)[users]
    units = {"user": users, "opening": np.full(N, -1), "conversation": np.full(N, -1), unit: codes}
    log_s, length = log_read + slow, log_length[:, None]
    pace = fit_pace(log_s, length, units, {}, {})
    assert pace.between[unit] == pytest.approx(0.36, rel=0.25)
    assert pace.between["user"] == pytest.approx(0.09, rel=0.5)
    assert pace.sd == pytest.approx(np.sqrt(0.2**2 + 0.3**2), rel=0.1)
    assert np.corrcoef(pace.residuals(log_s, length, units, {}), worth)[0, 1] > 0.45  # of .55 in the reading itself
    alone = fit_pace(log_s, length, {"user": users}, {}, {}).residuals(log_s, length, {"user": users}, {})
    assert np.corrcoef(alone, worth)[0, 1] < 0.35


def test_conversations_that_are_alike_have_no_variance_however_those_of_one_answer_vary():
    random = np.random.default_rng(9)
    codes = np.concatenate([np.arange(N // 2), N // 2 + np.arange(N // 2) // 2])
    for several in (0.3, 1.0, 3.0):  # sd of those with two answers; the others have 1
        values = random.normal(0, np.where(codes < N // 2, 1.0, several))
        assert common(values, codes) == 0
    assert common(values + random.normal(0, 2.0, N)[codes], codes) == pytest.approx(4, rel=0.3)


def test_a_single_conversation_says_nothing_of_how_conversations_differ():
    assert common(np.random.default_rng(10).normal(2, 1, 50), np.zeros(50, np.int64)) == 0
    assert common(np.ones(3), np.arange(3)) == 0


def test_a_wait_is_long_or_short_among_waits_for_the_same_act():
    random = np.random.default_rng(7)
    act = random.integers(0, 2, N)
    steady, abrupt = np.log(random.uniform(4, 7, N)), np.log(random.choice([0.001, 0.3, 0.3], N))
    log_s = np.where(act == 1, abrupt, steady)
    _, left = scores(log_s, np.zeros((N, 1)), act)
    for code in (0, 1):
        assert abs(left[act == code].mean()) < 0.1
        assert left[act == code].std() == pytest.approx(1, abs=0.1 if code == 0 else 0.4)


def test_too_few_waits_for_an_act_have_no_shape_and_say_nothing(reading):
    _, log_length, log_s = reading
    act = (np.arange(N) < ENOUGH - 1).astype(np.int64)
    _, left = scores(log_s, log_length[:, None], act)
    assert np.isnan(left[act == 1]).all()
    assert np.isfinite(left[act == 0]).all()
