"""Choices between policies: one ranking, or circles."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from unspoken.frames import EPISODES, LABELS, PAIRS
from unspoken.pairs.rankings import curl_share, cyclic_triads, rankings

NAMES = ["a", "b", "c", "d"]


def world(
    strength: list[float], spread: list[float], circle: float = 0.0, count: int = 4000, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Pairs of answers of two policies; `circle` is what a wins against b, b against c, c against a beyond worth."""
    random = np.random.default_rng(seed)
    pairs, episodes, labels = [], [], []
    for number in range(count):
        one, other = random.choice(len(strength), 2, replace=False)
        worth = [strength[k] + spread[k] * random.normal() for k in (one, other)]
        turn = circle * ((int(other) - int(one)) % 3 == 1) - circle * ((int(one) - int(other)) % 3 == 1)
        first = bool(random.random() < 1 / (1 + np.exp(worth[1] - worth[0] - turn)))
        ids = [f"m{number}-0", f"m{number}-1"]
        pairs.append({
            "chosen": ids[not first], "rejected": ids[first], "user": f"u{number % 97}", "rule": "siblings/1",
            "family": "revealed", "weight": 1.0, "margin": 0.0,
        })  # fmt: skip
        for message, policy, mean in zip(ids, (one, other), worth, strict=True):
            episodes.append({"message": message, "policy": NAMES[policy]})
            labels.append({"message": message, "family": "revealed", "mean": mean})
    return (
        pl.DataFrame(pairs, schema=dict(PAIRS)),
        pl.DataFrame(episodes, schema=dict(EPISODES)),
        pl.DataFrame(labels, schema=dict(LABELS)),
    )


def found(*given: Any, **more: Any) -> dict[str, Any]:
    return rankings(*world(*given, **more))["revealed"]


def test_choices_by_one_scale_are_no_circle():
    result = found([0.8, 0.2, -0.3, -0.9], [0.2] * 4)
    assert result["curl_share"] < 0.02
    assert result["cyclic_triads"] == 0
    assert result["mallows"]["order"] == NAMES
    strength = list(result["plackett_luce"]["strength"].values())
    assert strength == pytest.approx([0.85, 0.25, -0.25, -0.85], abs=0.2)
    assert result["plackett_luce"]["degrees"] == 3


@pytest.mark.parametrize(
    ("strength", "spread"), [([0.8, 0.2, -0.3, -0.9], [0.2] * 4), ([0.6, 0.0, -0.6], [0.1, 3.0, 0.1])]
)
def test_one_scale_is_not_called_a_circle_however_unequal_its_spread_within_policies(strength, spread):
    chances = [found(strength, spread, count=800, seed=seed)["null"]["p"] for seed in range(8)]
    assert sum(chance < 0.05 for chance in chances) <= 2


def test_a_planted_circle_is_found():
    result = found([0.0, 0.0, 0.0], [0.5] * 3, circle=0.8)
    assert result["curl_share"] > 0.9
    assert result["cyclic_triads"] == 1
    assert (result["null"]["p"], result["null"]["above"] > 0.3) == (pytest.approx(1 / 501), True)


def test_curl_and_gradient_of_three_are_what_a_hand_finds():
    circle = np.array([[0.0, 9, 1], [1, 0, 9], [9, 1, 0]])
    share, strength = curl_share(circle)
    assert share == pytest.approx(1.0)
    assert strength == pytest.approx([0, 0, 0])
    assert cyclic_triads(circle) == 1
    level, strength = curl_share(np.array([[0.0, 3, 3], [1, 0, 0], [1, 0, 0]]))  # b and c never met
    assert level == pytest.approx(0)
    assert strength[0] - strength[1] == pytest.approx(np.log(3.5 / 1.5))


def test_two_policies_make_no_circle_and_say_so():
    assert "3 to 7 policies" in found([0.5, 0.0], [0.2] * 2, count=50)["why"]


def test_nothing_was_said_and_nothing_is_said_of_it():
    pairs, episodes, labels = world([0.0, 0.0, 0.0], [0.5] * 3, count=30)
    result = rankings(pairs, episodes, labels)
    assert result["stated"]["pairs"] == 0
    assert json.loads(json.dumps(result)) == result


def test_the_stated_family_has_no_null_out_of_what_was_done():
    pairs, episodes, labels = world([0.4, 0.0, -0.4], [0.5] * 3, count=300)
    said = pairs.with_columns(family=pl.lit("stated"), rule=pl.lit("choice/1"))
    assert rankings(said, episodes, labels)["stated"]["null"] is None
