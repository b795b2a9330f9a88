"""The arm in which people were asked to vote."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.frames import EPISODES
from unspoken.pairs.solicited import bounds, solicited

LIKED = 0.7


def rows(*kinds: tuple[int, dict[str, Any]]) -> pl.DataFrame:
    """So many episodes of each kind; what is not named is null."""
    named = [each for count, each in kinds for _ in range(count)]
    return pl.DataFrame([{"message": f"m{n}"} | each for n, each in enumerate(named)], schema=dict(EPISODES))


def asked(level: str, **fields) -> dict[str, Any]:
    return {"solicit_level": level, "solicit_shown": True} | fields


@pytest.fixture(scope="module")
def arm():
    """60,000 answers, 70 % liked. Organic: the displeased vote three times as often. Asked: as often as the pleased."""
    random = np.random.default_rng(6)
    level = random.choice(["", "none", "soft", "firm"], 60_000, p=[0.4, 0.5, 0.05, 0.05])
    liked = random.random(60_000) < LIKED
    chance = np.where(liked, 0.02, 0.06)
    chance = np.where(level == "soft", 0.25, np.where(level == "firm", 0.5, chance))
    vote = np.where(random.random(60_000) < chance, np.where(liked, 1, -1), 0)
    return pl.DataFrame(
        {
            "message": [f"m{n}" for n in range(60_000)],
            "topic": random.choice(["a", "b"], 60_000),
            "solicit_level": [each or None for each in level],
            "solicit_shown": np.isin(level, ["soft", "firm"]),
            "vote": [None if v == 0 else int(v) for v in vote],
            "finish": ["complete"] * 60_000,
            "closed": pl.Series([None] * 60_000, dtype=pl.String),
            "solicit_propensity": pl.Series([0.05] * 60_000),
        },
    )


def test_what_was_planted_is_found(arm):
    found = solicited(arm)
    assert found["organic_share_up"] == pytest.approx(LIKED * 0.02 / (LIKED * 0.02 + 0.3 * 0.06), abs=0.04)
    soft, firm = found["levels"]
    assert (soft["response"], firm["response"]) == (pytest.approx(0.25, abs=0.03), pytest.approx(0.5, abs=0.03))
    assert found["both"]["share_up"] == pytest.approx(LIKED, abs=0.03)
    gamma = found["gamma"]
    assert gamma["log_gamma"] == pytest.approx(np.log(3), abs=2.5 * gamma["se"])
    assert [each["z"] for each in gamma["groups"]] == ["a", "b"]


def test_firmer_asking_shows_in_the_response_and_not_in_the_share_up(arm):
    effect = solicited(arm)["effect"]
    assert effect["response"]["p"] < 1e-6
    assert effect["response"]["log_odds_ratio"] == pytest.approx(np.log(1 / (1 / 3)), abs=0.2)
    assert effect["share_up"]["p"] > 0.01


def test_silence_that_is_not_at_random_shows_in_the_share_up_of_firmer_asking():
    soft = [(100, asked("soft", vote=1)), (200, asked("soft", vote=-1)), (700, asked("soft"))]
    firm = [(400, asked("firm", vote=1)), (300, asked("firm", vote=-1)), (300, asked("firm"))]
    assert solicited(rows(*soft, *firm))["effect"]["share_up"]["p"] < 1e-3


def test_the_bounds_hold_the_silent_on_both_sides():
    found = solicited(rows((30, asked("soft", vote=1)), (10, asked("soft", vote=-1)), (60, asked("soft"))))["both"]
    assert (found["asked"], found["answered"], found["response"], found["share_up"]) == (100, 40, 0.4, 0.75)
    assert (found["lowest"], found["highest"]) == (pytest.approx(0.3), pytest.approx(0.9))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_whatever_the_silent_think_the_truth_lies_within_the_bounds(response, share_up, silent_up):
    low, high = bounds(response, share_up)
    assert low - 1e-12 <= response * share_up + (1 - response) * silent_up <= high + 1e-12
    assert high - low == pytest.approx(1 - response)


def test_an_assumed_gamma_of_the_asked_turns_the_odds():
    found = solicited(rows((60, asked("firm", vote=1)), (40, asked("firm", vote=-1))))
    shares = {each["gamma"]: each["share_up"] for each in found["solicited_gamma"]}
    # The displeased answered twice as often: they are half as many among all as among those who answered.
    assert shares == {0.5: pytest.approx(30 / 70), 1.0: pytest.approx(0.6), 2.0: pytest.approx(60 / 80)}


def test_votes_of_the_arm_are_not_organic_and_an_assignment_to_no_question_is():
    found = solicited(rows((3, {"vote": 1}), (2, asked("none", vote=-1)), (4, asked("soft", vote=1))))
    assert (found["organic_votes"], found["both"]["answered"]) == (5, 4)


def test_who_was_assigned_and_never_shown_the_question_was_not_asked():
    found = solicited(rows((3, asked("soft", solicit_shown=False)), (2, asked("soft"))))
    assert (found["assigned"], found["not_shown"], found["both"]["asked"]) == (5, 3, 2)


def test_answers_cut_short_are_nobodys_to_judge():
    cut = [(2, asked("soft", finish="stopped", vote=1)), (2, asked("soft", closed="streaming"))]
    assert solicited(rows(*cut, (1, {"vote": 1})))["assigned"] == 0


def test_rarely_asked_answers_stand_for_more_of_their_kind():
    often = (40, asked("soft", solicit_propensity=0.4, vote=1))
    seldom = (10, asked("soft", solicit_propensity=0.1, vote=-1))
    assert solicited(rows(often, seldom))["both"]["share_up"] == pytest.approx(0.5)


def test_without_an_arm_everything_is_unknown_and_nothing_breaks():
    for frame in (rows((3, {"vote": 1})), rows()):
        found = solicited(frame)
        assert found["both"]["response"] is found["both"]["lowest"] is found["gamma"]["log_gamma"] is None
        assert found["effect"]["response"]["p"] is None
