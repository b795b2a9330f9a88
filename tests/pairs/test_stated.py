"""What was said: votes, ratings, choices."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from unspoken.frames import EPISODES, EVENTS
from unspoken.pairs import records, stated
from unspoken.pairs.funnel import Funnel
from unspoken.pairs.recipe import Recipe


def episodes(*rows: dict[str, Any]) -> pl.DataFrame:
    plain = {"prompt": "q", "user": "u", "siblings": len(rows), "stated_evidence": ["e"]}
    return pl.DataFrame(
        [{"message": chr(ord("a") + number)} | plain | row for number, row in enumerate(rows)], schema=dict(EPISODES)
    )


def choices(*fields: dict[str, Any]) -> pl.DataFrame:
    at = datetime(2026, 10, 1, tzinfo=UTC)
    rows = [{"event": f"e{n}", "kind": "choice", "at": at, "conversation": "c"} | each for n, each in enumerate(fields)]
    return pl.DataFrame(rows, schema=dict(EVENTS))


def test_a_vote_is_a_label_and_no_vote_is_none():
    funnel = Funnel()
    found = stated.labels(episodes({"vote": 1}, {"vote": -1}, {}), Recipe("r"), funnel)
    expected = pl.DataFrame(
        [("a", "u", "vote/1", 1.0, ["e"]), ("b", "u", "vote/1", 0.0, ["e"])],
        schema=["message", "user", "rule", "p", "evidence"],
        orient="row",
    )
    assert_frame_equal(found, expected)
    assert funnel.steps[0]["dropped"] == [{"reason": "nobody voted", "count": 1}]


def test_a_control_left_at_its_default_is_no_answer():
    rated = {"rating": 0.5, "rating_lowest": 5.0, "rating_highest": 5.0}
    recipe = Recipe("r", stated="ratings", untouched_rating=5.0, stated_user_known=False)
    funnel = Funnel()
    found = stated.labels(episodes(rated, rated | {"rating_highest": 6.0}, {}), recipe, funnel)
    assert found.select("message", "user", "p").rows() == [("b", None, 0.5)]
    assert [drop["count"] for drop in funnel.steps[0]["dropped"]] == [1, 1]


def test_without_a_default_every_rating_is_an_answer():
    rated = {"rating": 0.5, "rating_lowest": 5.0, "rating_highest": 5.0}
    assert len(stated.labels(episodes(rated), Recipe("r", stated="ratings"), Funnel())) == 1


def test_up_beats_each_down_of_the_same_prompt_and_the_prompt_counts_once():
    found = stated.vote_pairs(
        episodes({"vote": 1}, {"vote": -1}, {"vote": -1}, {}, {"prompt": "other", "vote": -1})
    ).sort("rejected")
    assert found.select("chosen", "rejected", "weight").rows() == [("a", "b", 0.5), ("a", "c", 0.5)]


def test_two_votes_of_one_direction_are_no_pair():
    assert stated.vote_pairs(episodes({"vote": 1}, {"vote": 1})).is_empty()


def test_answers_without_a_prompt_are_no_siblings():
    assert stated.vote_pairs(episodes({"vote": 1, "prompt": None}, {"vote": -1, "prompt": None})).is_empty()


def test_many_votes_of_one_prompt_make_as_many_pairs_as_answers_and_not_their_square():
    found = stated.vote_pairs(episodes(*({"vote": 1 if i % 2 else -1} for i in range(200))))
    assert len(found) == 100 * stated.MOST_OPPONENTS
    assert found["weight"].sum() == pytest.approx(1)
    assert found.group_by("rejected").len()["len"].to_list() == [stated.MOST_OPPONENTS] * 100


def test_a_choice_among_three_is_two_pairs_of_half_weight():
    found, dropped = stated.choice_pairs(choices({"chosen": "b", "rejected": ["a", "c"]}), episodes({}, {}, {}))
    expected = pl.DataFrame(
        [("q", "b", "a", "choice/1", 0.5, ["e0"]), ("q", "b", "c", "choice/1", 0.5, ["e0"])],
        schema=["prompt", "chosen", "rejected", "rule", "weight", "evidence"],
        orient="row",
    )
    assert_frame_equal(found, expected)
    assert sum(count for _, count in dropped) == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"chosen": "a", "rejected": ["b"], "tie": True}, "a tie"),
        ({"rejected": ["a", "b"], "tie": True}, "a tie"),
        ({"chosen": "a", "rejected": ["nobody"]}, "not there"),
        ({"chosen": "nobody", "rejected": ["a"]}, "not there"),
        ({"chosen": "a", "rejected": ["c"]}, "different prompts"),
    ],
)
def test_a_choice_that_teaches_nothing_is_counted_with_its_reason(fields, reason):
    found, dropped = stated.choice_pairs(choices(fields), episodes({}, {}, {"prompt": "other"}))
    assert found.is_empty()
    assert [count for said, count in dropped if reason in said] == [len(fields["rejected"])]


def test_the_same_choice_twice_counts_once():
    same = {"chosen": "a", "rejected": ["b"]}
    found, dropped = stated.choice_pairs(choices(same, same), episodes({}, {}))
    assert found["weight"].to_list() == [1.0]
    assert sum(count for _, count in dropped) == 1


def test_no_choices_are_no_pairs():
    found, dropped = stated.choice_pairs(choices(), episodes({}))
    assert found.is_empty()
    assert sum(count for _, count in dropped) == 0


def test_a_pair_rests_on_the_events_that_speak_of_either_answer():
    units = pl.DataFrame({"message": ["a", "b", "c"], "on": [["e3", "e1"], [], ["e2"]]})
    pairs = pl.DataFrame({"chosen": ["a", "b"], "rejected": ["c", "b"]})
    assert records.resting(pairs, units, "on")["evidence"].to_list() == [["e1", "e2", "e3"], []]
