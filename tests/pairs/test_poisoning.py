"""Who moves the labels, and who votes unlike everybody else."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from unspoken.frames import EPISODES, UNPAIRED
from unspoken.pairs.poisoning import account, benjamini_hochberg, holm, influence, one_way, unlike, voters


def votes(*rows) -> pl.DataFrame:
    """frames.EPISODES from (user, vote, topic)."""
    named = [
        {"message": f"m{n}", "user": user, "vote": vote, "topic": topic, "policy": "x"}
        for n, (user, vote, topic) in enumerate(rows)
    ]
    return pl.DataFrame(named, schema=dict(EPISODES))


def records(*rows, family="stated") -> pl.DataFrame:
    """frames.UNPAIRED from (user, p, weight)."""
    named = [
        {"message": f"m{n}", "user": user, "p": p, "weight": weight, "family": family}
        for n, (user, p, weight) in enumerate(rows)
    ]
    return pl.DataFrame(named, schema=dict(UNPAIRED))


@pytest.fixture(scope="module")
def crowd():
    """300 people of 4 to 16 votes, 70 % up, of some leniency, and 8 accounts that vote down, most of it on topic t."""
    random = np.random.default_rng(5)
    rows = []
    for person in range(300):
        lean = random.normal() * 0.4
        for _ in range(random.integers(4, 17)):
            up = random.random() < 1 / (1 + np.exp(-0.85 - lean))
            rows.append((f"person-{person:03}", 1 if up else -1, random.choice(["t", "a", "b", "c", "d", "e"])))
    for account_ in range(8):
        rows += [(f"brigade-{account_}", -1, "t" if n < 18 else "a") for n in range(20)]
    return votes(*rows)


def test_accounts_that_vote_one_way_are_named_and_people_are_not(crowd):
    found = unlike(crowd)
    named = found.filter(pl.col("holm") < 0.05)["user"].to_list()
    assert {user for user in named if user.startswith("brigade")} == {f"brigade-{n}" for n in range(8)}
    assert len([user for user in named if user.startswith("person")]) <= 3
    assert found["p"].is_sorted()


def test_a_set_that_votes_one_way_is_more_than_chance_and_leniency_explain(crowd):
    found = one_way(crowd)
    assert found["down"]["users"] >= 8
    assert found["down"]["p"] < 1e-4
    assert set(found["down"]["who"][:8]) == {f"brigade-{n}" for n in range(8)}
    assert found["up"]["p"] > 0.01


def test_what_they_aim_at_is_said(crowd):
    aimed = one_way(crowd)["down"]["aimed_at"]
    assert [(row["kind"], row["place"]) for row in aimed] == [("topic", "t")]
    assert one_way(crowd)["up"]["aimed_at"] == []


def test_the_influence_of_a_user_is_what_changes_without_them():
    frame = records(("ann", 1.0, 1.0), ("ann", 1.0, 1.0), ("bob", 0.0, 1.0), ("eve", 0.5, 2.0), (None, 0.0, 1.0))
    found = influence(frame)
    whole = (1 + 1 - 1 + 0 - 1) / 6
    assert dict(found.select("user", "shift").iter_rows()) == {
        "ann": pytest.approx(whole - (-2 / 4)),
        "bob": pytest.approx(whole - 1 / 5),
        "eve": pytest.approx(whole - 0.0),
    }
    assert dict(found.select("user", "direction").iter_rows()) == {"ann": 1, "bob": -1, "eve": 0}
    assert found["weight_share"].sum() == pytest.approx(5 / 6)
    assert found["user"][0] == "ann"


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1), st.floats(0.1, 5)), min_size=1, max_size=25))
def test_influence_is_leaving_out(rows):
    frame = records(*rows)
    for user, shift in influence(frame).select("user", "shift").iter_rows():
        rest = frame.filter(pl.col("user") != user)
        if rest.is_empty():
            assert shift is None
        else:
            assert shift == pytest.approx(_direction(frame) - _direction(rest), abs=1e-9)


def _direction(frame):
    w, p = frame["weight"].to_numpy(), frame["p"].to_numpy()
    return w @ (2 * p - 1) / w.sum()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20).map(sorted).map(np.array))
def test_adjusted_p_are_those_of_the_textbook(p):
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))
    m = len(p)
    steps = [max(min(1, (m - j) * p[j]) for j in range(i + 1)) for i in range(m)]
    assert holm(p) == pytest.approx(steps)


def test_people_alone_give_hardly_a_name():
    random = np.random.default_rng(8)
    rows = [(f"u{n % 200}", 1 if random.random() < 0.6 else -1, "a") for n in range(3000)]
    assert (unlike(votes(*rows))["holm"] < 0.05).sum() <= 1


def test_a_few_who_cast_half_of_all_votes_are_seen_whatever_they_vote():
    rows = [(f"u{n}", 1, "a") for n in range(60)] + [(f"b{n % 2}", (1, -1)[n % 3 == 0], "a") for n in range(60)]
    found = voters(votes(*rows))
    assert (found["users"], found["half_cast_by"]) == (62, 2)
    assert found["effective_users"] == pytest.approx(120**2 / (60 + 2 * 30**2))


def test_families_are_apart_and_the_whole_is_json():
    unpaired = pl.concat([records(("ann", 1.0, 1.0), ("bob", 1.0, 3.0)), records(("ann", 0.2, 1.0), family="revealed")])
    found = account(votes(("ann", 1, "a")), unpaired)
    assert found["influence"]["stated"]["effective_users"] == pytest.approx(16 / 10)
    assert found["influence"]["revealed"]["users"] == 1
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    "rows", [[], [("ann", 1, "a")] * 30, [(f"u{n % 4}", 1, None) for n in range(40)], [(None, -1, "a")] * 9]
)
def test_no_votes_votes_of_one_user_and_votes_all_one_way_are_accounted_for(rows):
    found = account(votes(*rows), records(*[(user, 1.0, 1.0) for user, _, _ in rows]))
    json.dumps(found, allow_nan=False)
    assert found["unlike_the_rest"] == []
