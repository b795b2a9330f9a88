"""How likely an answer was voted on, and the weights that undo it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.optimize import minimize
from scipy.special import expit

from unspoken.frames import EPISODES
from unspoken.pairs.propensity import effective, history, inverse, propensity, ridge_logistic, sweep

START = datetime(2026, 10, 1, tzinfo=UTC)


def episodes(**columns) -> pl.DataFrame:
    """frames.EPISODES of so many answers, a minute apart, everything not named null."""
    count = len(next(iter(columns.values())))
    plain = {
        "message": [f"m{n:06}" for n in range(count)],
        "conversation": [f"c{n:06}" for n in range(count)],
        "at": [START + timedelta(minutes=n) for n in range(count)],
        "turn": [0] * count,
    }
    return pl.DataFrame(plain | columns, schema_overrides=dict(EPISODES)).select(
        pl.col(name) if name in plain | columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in EPISODES.items()
    )


@pytest.fixture(scope="module")
def selected():
    """20,000 answers: topic b is liked by 30 % and voted on four times as often as topic a, liked by 80 %."""
    random = np.random.default_rng(3)
    in_b = random.random(20_000) < 0.5
    up = random.random(20_000) < np.where(in_b, 0.3, 0.8)
    voted = random.random(20_000) < np.where(in_b, 0.2, 0.05)
    vote = [(1 if liked else -1) if said else None for liked, said in zip(up, voted, strict=True)]
    return episodes(vote=vote, topic=np.where(in_b, "b", "a"), user=[f"u{n % 4000}" for n in range(20_000)])


def test_weighted_votes_say_what_all_would_have_said(selected):
    found = propensity(selected)
    votes = found.votes["vote"].to_numpy()
    assert (votes > 0).mean() == pytest.approx(0.4, abs=0.03)  # what was said
    for row in sweep(found):
        if row["clip"] != 2:
            assert row["share_up"] == pytest.approx(0.55, abs=0.03)  # what would have been


def test_the_planted_propensity_is_found(selected):
    found = propensity(selected)
    in_b = selected.filter(pl.col("message").is_in(found.votes["message"].implode()))["topic"] == "b"
    p = pl.DataFrame({"message": found.votes["message"], "p": found.p})
    by_topic = p.join(selected, on="message").group_by("topic").agg(pl.col("p").mean()).sort("topic")
    assert in_b.sum() > 1000
    assert by_topic["p"].to_list() == pytest.approx([0.05, 0.2], abs=0.01)


def test_users_who_vote_often_are_known_by_what_they_did_before():
    random = np.random.default_rng(4)
    zealous = np.arange(12_000) % 300 < 30
    voted = random.random(12_000) < np.where(zealous, 0.6, 0.02)
    found = propensity(
        episodes(vote=[1 if said else None for said in voted], user=[f"u{n % 300}" for n in range(12_000)])
    )
    rates = pl.DataFrame({"user": found.votes["user"], "p": found.p})
    of_zealous = pl.col("user").str.slice(1).cast(pl.Int64) < 30
    assert np.median(rates.filter(of_zealous)["p"]) == pytest.approx(0.6, abs=0.1)
    assert np.median(rates.filter(~of_zealous)["p"]) < 0.1
    assert found.coefficients["earlier vote rate"] > 0


def test_only_earlier_answers_of_the_same_user_are_a_history():
    rows = history(episodes(vote=[1, None, None, -1], user=["ann", "bob", "ann", "ann"]))
    assert rows["earlier"].to_list() == [0, 0, 1, 2]
    # Half of the answers have a vote, so a newcomer counts as one vote of two answers.
    assert rows["rate"].to_list() == pytest.approx([1 / 2, 1 / 2, 2 / 3, 2 / 4])


def test_who_is_not_known_has_no_history():
    rows = history(episodes(vote=[1, None, 1], user=[None, None, None]))
    assert rows["earlier"].to_list() == [0, 0, 0]
    assert rows["rate"].n_unique() == 1


def test_nothing_of_the_answer_or_of_what_was_done_with_it_is_read(selected):
    read = {
        "message", "conversation", "user", "at", "turn", "finish", "closed", "topic", "device", "policy",
        "solicit_level", "vote",
    }  # fmt: skip
    other: dict[Any, Any] = {pl.Boolean: True, pl.Float64: 0.7, pl.Int64: 9, pl.String: "x"}
    changed = selected.with_columns(
        pl.lit(other[dtype], dtype=dtype).alias(name)
        for name, dtype in EPISODES.items()
        if name not in read and dtype in other
    )
    assert changed["chars"].n_unique() == 1
    before, after = propensity(selected), propensity(changed)
    assert before.p.tobytes() == after.p.tobytes()
    assert_frame_equal(before.votes, after.votes)


def test_answers_cut_short_are_outside_of_what_is_estimated():
    found = propensity(
        episodes(
            vote=[1, 1, 1, 1, 1, None],
            finish=["complete", "stopped", "error", None, "complete", "length"],
            closed=[None, None, None, None, "streaming", "reading"],
        )
    )
    assert (found.answers, found.votes["message"].to_list()) == (3, ["m000000", "m000003"])


def test_the_order_of_rows_decides_nothing(selected):
    small = selected.head(3000)
    assert propensity(small).p.tobytes() == propensity(small.sample(fraction=1, shuffle=True, seed=1)).p.tobytes()


@pytest.mark.parametrize("votes", [[None] * 40, [1] * 40])
def test_no_vote_and_nothing_but_votes_have_an_answer(votes):
    found = propensity(episodes(vote=votes, user=["ann"] * 40))
    assert np.isfinite(found.p).all()
    assert effective(inverse(found.relative, 10.0)) == pytest.approx(len(found.p), rel=0.01)
    assert len(sweep(found)) == (5 if len(found.p) else 0)


def test_a_log_without_answers_has_no_votes():
    assert propensity(episodes(vote=[1]).clear()).answers == 0


def test_planted_coefficients_are_found():
    random = np.random.default_rng(5)
    x = np.column_stack([np.ones(30_000), random.normal(size=(30_000, 2))])
    planted = np.array([-2.0, 0.8, -0.4])
    y = (random.random(30_000) < 1 / (1 + np.exp(-x @ planted))).astype(float)
    assert ridge_logistic(x, y) == pytest.approx(planted, abs=0.06)


def test_the_coefficients_are_those_that_scipy_finds_on_the_same_likelihood():
    random = np.random.default_rng(8)
    x = np.column_stack([np.ones(4000), random.normal(size=(4000, 6))])
    x[:, 2] += 3 * x[:, 1]  # turns and histories go together
    y = (random.random(4000) < expit(-2 + x[:, 1:4] @ [0.8, -0.4, 0.2])).astype(float)
    penalty = np.array([0.01, *np.ones(6)])

    def loss(beta):
        logits = x @ beta
        slope = x.T @ (expit(logits) - y) + penalty * beta
        return np.logaddexp(0, logits).sum() - y @ logits + penalty @ beta**2 / 2, slope

    found = minimize(loss, np.zeros(7), jac=True, method="BFGS", options={"gtol": 1e-8})
    assert ridge_logistic(x, y) == pytest.approx(found.x, abs=1e-6)


@given(st.lists(st.floats(1e-4, 1), min_size=1, max_size=60).map(np.array), st.one_of(st.none(), st.floats(1.5, 50)))
def test_weights_have_mean_one_keep_their_order_and_clipping_makes_more_votes_count(p, clip):
    weights, free = inverse(p, clip), inverse(p, None)
    assert weights.mean() == pytest.approx(1)
    assert (np.diff(weights[np.argsort(p)]) <= 1e-9).all()
    assert effective(free) * (1 - 1e-9) <= effective(weights) <= len(p) * (1 + 1e-9)


def test_a_sample_of_what_nobody_voted_on_gives_the_propensity_of_all(selected, monkeypatch):
    from unspoken.pairs import propensity as module

    whole = propensity(selected).p
    monkeypatch.setattr(module, "FITTED", 1500)
    assert np.log(propensity(selected).p) == pytest.approx(np.log(whole), abs=0.3)


def test_votes_that_were_asked_for_count_like_others_and_the_share_up_stays_that_of_all():
    random = np.random.default_rng(6)
    asked = random.random(30_000) < 0.1
    in_b = random.random(30_000) < 0.5
    up = random.random(30_000) < np.where(in_b, 0.3, 0.8)
    voted = random.random(30_000) < np.where(in_b, 0.06, 0.02) * np.where(asked, 10, 1)
    vote = [(1 if liked else -1) if said else None for liked, said in zip(up, voted, strict=True)]
    level = np.where(asked, "firm", "none")
    found = propensity(episodes(vote=vote, topic=np.where(in_b, "b", "a"), solicit_level=level))
    weights = pl.DataFrame({"message": found.votes["message"], "weight": inverse(found.relative, None)})
    by_level = weights.join(
        pl.DataFrame({"message": [f"m{n:06}" for n in range(30_000)], "level": level}), on="message"
    )
    assert by_level.group_by("level").agg(pl.col("weight").mean())["weight"].to_list() == pytest.approx([1, 1])
    assert sweep(found)[-1]["share_up"] == pytest.approx(0.55, abs=0.04)
