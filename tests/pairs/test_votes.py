"""The weight of each vote, and the account of all of them."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.frames import EPISODES
from unspoken.pairs.votes import CAP, account, weights

START = datetime(2026, 10, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def voted(rows) -> pl.DataFrame:
    """frames.EPISODES from (user, vote), a minute apart."""
    named = [
        {
            "message": f"m{n:06}",
            "conversation": f"c{n}",
            "at": START + n * MINUTE,
            "turn": 0,
            "user": user,
            "vote": vote,
        }
        for n, (user, vote) in enumerate(rows)
    ]
    return pl.DataFrame(named, schema=dict(EPISODES))


def test_a_brigade_of_twenty_with_half_of_all_votes_does_not_turn_the_stated_model():
    random = np.random.default_rng(12)
    planted = np.array([1.2, -0.8, 0.6, 0.0, 0.4, -0.2])
    users = np.concatenate([np.repeat(np.arange(1000), 6), np.repeat(np.arange(1000, 1020), 150)])
    brigade = users >= 1000
    z = random.normal(size=(len(users), len(planted)))
    up = random.random(len(users)) < 1 / (1 + np.exp(-z @ planted))
    up[brigade] = z[brigade, 3] > 0  # of one mind, about what nobody else cares for
    said = brigade | (random.random(len(users)) < 0.5)
    order = random.permutation(len(users))
    episodes = voted((f"u{users[n]:05}", (1 if up[n] else -1) if said[n] else None) for n in order)
    assert brigade[said].mean() == pytest.approx(0.5, abs=0.02)

    found = weights(episodes)
    places = order[found["message"].str.slice(1).cast(pl.Int64).to_numpy()]
    x, y = z[places], up[places].astype(float)
    cosines = [_cosine(_fit(x, y, w), planted) for w in (np.ones(len(x)), found["weight"].to_numpy())]
    assert cosines[0] < 0.85
    assert cosines[1] >= 0.98


def _fit(x, y, w):
    """Weighted logistic regression without an intercept."""
    beta = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ beta))
        beta = beta + np.linalg.solve(
            (x * (w * p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(x.shape[1]), x.T @ (w * (y - p))
        )
    return beta


def _cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["ann", "bob", "eve", None]), st.sampled_from([1, -1, None])), max_size=60))
def test_nobody_weighs_more_than_the_cap_and_every_vote_weighs_something(rows):
    episodes = voted(rows)
    found = weights(episodes)
    assert found["message"].to_list() == episodes.filter(pl.col("vote").is_not_null())["message"].to_list()
    assert (found["weight"] > 0).all()
    people = found.join(episodes, on="message").filter(pl.col("user").is_not_null()).group_by("user")
    assert all(whole <= CAP * (1 + 1e-9) for whole in people.agg(pl.col("weight").sum())["weight"])
    json.dumps(account(episodes), allow_nan=False)


def test_below_the_cap_the_weights_have_mean_one():
    found = weights(voted((f"u{n % 50}", 1 if n % 3 else None) for n in range(150)))
    assert found["weight"].mean() == pytest.approx(1)


def test_the_order_of_rows_decides_nothing():
    episodes = voted((f"u{n % 7}", (1, -1, None)[n % 3]) for n in range(200))
    mixed = episodes.sample(fraction=1, shuffle=True, seed=3)
    assert_frame_equal(weights(episodes), weights(mixed), check_exact=True)
    assert account(episodes) == account(mixed)


def test_the_account_says_what_was_counted():
    rows = [(f"u{n % 30}", (1, 1, -1, None)[n % 4]) for n in range(400)] + [("eve", 1)] * 100
    episodes = voted(rows).with_columns(finish=pl.when(pl.col("message") == "m000000").then(pl.lit("stopped")))
    found = account(episodes)
    assert (found["answers"], found["votes"], found["votes_on_answers_cut_short"]) == (499, 399, 1)
    assert (found["up"], found["users"]) == (299, 31)
    assert found["cap"]["users_capped"] >= 1
    assert found["cap"]["effective_users"] > 20
    assert [row["clip"] for row in found["propensity"]["sweep"]] == [2, 5, 10, 20, None]
    assert found["leniency"]["users_with_two_votes"] == 31


def test_the_account_says_which_silence_would_turn_the_liking_of_long_answers_and_of_topics():
    random = np.random.default_rng(5)
    z, code = random.normal(size=4000), random.random(4000) < 0.3
    up = random.random(4000) < 1 / (1 + np.exp(-0.3 * z - 2 * code))
    episodes = voted((f"u{n}", 1 if up[n] else -1) for n in range(4000)).with_columns(
        pl.Series("chars", np.exp(6 + 0.5 * z).astype(int)),
        pl.Series("topic", np.where(code, "code", "cakes")),
    )
    found = {row["attribute"]: row for row in account(episodes)["assumed"]}
    assert list(found) == ["length", "topic: cakes", "topic: code"]
    assert found["length"]["difference"] == pytest.approx(0.3, abs=4 * found["length"]["se"])
    assert found["length"]["turns_at"] == pytest.approx(-0.3, abs=0.1)
    assert found["topic: code"]["difference"] == pytest.approx(-found["topic: cakes"]["difference"])
    assert found["topic: code"]["turns_at"] is None  # no such silence turns it


def test_where_all_answers_are_alike_nothing_can_go_with_votes():
    assert account(voted([("ann", 1), ("bob", -1)]).with_columns(chars=9, topic=pl.lit("a")))["assumed"] == []


@pytest.mark.parametrize(
    "rows", [[], [("ann", None)] * 5, [("ann", 1)] * 50, [(f"u{n}", 1) for n in range(50)], [(None, -1)] * 9]
)
def test_no_votes_votes_of_one_user_and_votes_all_one_way_are_accounted_for(rows):
    found = account(voted(rows))
    count = sum(vote is not None for _, vote in rows)
    assert found["votes"] == count
    assert (found["cap"]["share_up"] is None) == (count == 0)
    assert found["leniency"]["sd"] == 0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_one_user_with_all_votes_weighs_as_much_as_the_cap():
    assert weights(voted([("ann", 1)] * 50))["weight"].sum() == pytest.approx(CAP)
