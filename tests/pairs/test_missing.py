"""Votes that are missing for a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.pairs.missing import GAMMAS, assumed, gamma_hat, tilt
from unspoken.pairs.propensity import ridge_logistic


def test_the_tilt_undoes_a_selection_that_goes_with_an_attribute():
    random = np.random.default_rng(2)
    z = random.normal(size=40_000)
    liked = random.random(40_000) < 1 / (1 + np.exp(-0.6 * z))
    # The displeased vote e^(.7z) times as often.
    voted = random.random(40_000) < 0.15 * np.where(liked, 1, np.exp(0.7 * z)).clip(0, 6)
    z, vote = z[voted], np.where(liked[voted], 1, -1)
    assert _slope(z, vote, np.ones(len(z))) == pytest.approx(-0.1, abs=0.08)
    assert _slope(z, vote, tilt(vote, z, 0.7)) == pytest.approx(0.6, abs=0.08)


def _slope(z, vote, weight):
    """The slope of "up" on z; weights come in as repetitions."""
    random = np.random.default_rng(0)
    rows = random.choice(len(z), size=60_000, p=weight / weight.sum())
    x = np.column_stack([np.ones(len(rows)), z[rows]])
    return ridge_logistic(x, (vote[rows] > 0).astype(float))[1]


def test_the_gamma_by_which_votes_were_lost_gives_back_what_all_would_have_said():
    random = np.random.default_rng(3)
    z = random.normal(size=60_000)
    liked = random.random(60_000) < 1 / (1 + np.exp(-0.3 * z))
    voted = random.random(60_000) < 0.1 * np.where(liked, 1, np.exp(0.7 * z)).clip(0, 10)
    vote = np.where(liked[voted], 1, -1)
    found = assumed(vote, z[voted], np.ones(len(vote)))
    truth = z[liked].mean() - z[~liked].mean()
    at = {row["gamma"]: row["difference"] for row in found["by_gamma"]}
    assert truth > 0.25
    assert found["difference"] == at[0.0] < -0.3
    assert at[0.7] == pytest.approx(truth, abs=4 * found["se"])
    assert found["turns_at"] == pytest.approx(0.7 - 0.3, abs=0.1)
    assert list(at) == sorted((*GAMMAS, 0.0))
    assert list(at.values()) == sorted(at.values())


def test_the_error_of_a_difference_is_that_of_many_drawings():
    random = np.random.default_rng(4)
    found = []
    for _ in range(300):
        z, weight = random.normal(size=200), random.exponential(size=200)
        found.append(assumed(np.where(np.arange(200) < 60, 1, -1), z, weight))
    assert np.mean([each["se"] for each in found]) == pytest.approx(
        np.std([each["difference"] for each in found]), rel=0.15
    )


def test_votes_all_one_way_differ_from_none():
    assert assumed(np.array([1, 1]), np.array([0.0, 1.0]), np.ones(2)) == {}


def test_of_one_vote_up_or_one_down_no_error_is_known_and_no_difference_told():
    for vote in ([1, -1, -1], [1, 1, -1]):
        assert assumed(np.array(vote), np.array([0.0, 1.0, 2.0]), np.ones(3)) == {}


def test_a_vote_down_on_the_only_answer_of_a_topic_among_a_million_is_no_overflow():
    for z in ([0.0, 0.0, 0.0, 1100.0], [0.0, 0.0, 1100.0, 1100.0]):
        found = assumed(np.array([1, 1, -1, -1]), np.array(z), np.ones(4))
        assert [np.isfinite(row["difference"]) for row in found["by_gamma"]] == [True] * 5


@given(st.lists(st.tuples(st.sampled_from([1, -1]), st.floats(-3, 3)), max_size=30), st.sampled_from([-0.7, 0.35]))
def test_tilts_have_mean_one_leave_votes_up_alike_and_the_opposite_tilt_undoes_them(rows, gamma):
    vote, z = np.array([v for v, _ in rows], dtype=np.int64), np.array([x for _, x in rows])
    weights = tilt(vote, z, gamma)
    assert len(weights) == len(rows)
    if rows:
        assert weights.mean() == pytest.approx(1)
        assert np.ptp(weights[vote > 0]) == pytest.approx(0) if (vote > 0).any() else True
        product = weights * tilt(vote, z, -gamma)
        assert np.ptp(product) == pytest.approx(0, abs=1e-9)


def test_a_common_gamma_is_found_and_groups_that_differ_by_chance_are_drawn_to_it():
    random = np.random.default_rng(1)
    groups = []
    for name in "abcdefgh":
        organic = random.binomial(400, 0.5)  # the displeased vote three times as often: odds 3:1 become 1:1
        asked = random.binomial(300, 0.75)
        groups.append((name, organic, 400 - organic, asked, 300 - asked))
    found = gamma_hat(groups)
    assert found["log_gamma"] == pytest.approx(np.log(3), abs=3 * found["se"])
    raw = np.array([row["raw"] for row in found["groups"]])
    shrunk = np.array([row["log_gamma"] for row in found["groups"]])
    assert shrunk.std() < 0.5 * raw.std()


def test_groups_that_truly_differ_keep_their_own_gamma():
    found = gamma_hat([("a", 2000, 2000, 3000, 1000), ("b", 3000, 1000, 3000, 1000)])
    assert [row["log_gamma"] for row in found["groups"]] == pytest.approx([np.log(3), 0], abs=0.05)
    assert found["spread"] > 0.5


def test_without_a_vote_in_one_of_the_arms_there_is_no_gamma():
    assert gamma_hat([("a", 5, 5, 0, 0)])["log_gamma"] is None
    assert gamma_hat([]) == {"log_gamma": None, "se": None, "spread": None, "groups": []}


def test_one_group_without_a_vote_down_has_a_finite_gamma():
    found = gamma_hat([("a", 5, 0, 5, 0)])
    assert found["log_gamma"] == pytest.approx(0)
    assert found["se"] > 1
