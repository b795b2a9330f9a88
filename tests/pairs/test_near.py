"""Near-duplicate prompts are one, others are not."""

import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.pairs.near import clusters

LONG = "How do I keep basil alive on my windowsill through the winter, when there is so little light in the kitchen?"


@pytest.mark.parametrize(
    "other",
    [
        LONG,
        LONG.upper(),
        LONG.replace(" ", "\n  "),
        LONG.replace("winter", "autumn"),
        "Hello! " + LONG,
        LONG.replace("o", "\uff4f"),  # full width
    ],
)
def test_a_prompt_but_for_details_is_the_same(other):
    assert clusters(["Why is my bread not rising?", LONG, other]).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "other",
    [
        "What is 7 times 8?",
        "What is the capital of Peru?",
        LONG.replace("basil", "the neighbour's cat").replace("winter", "night").replace("light", "food"),
        LONG + " " + "And what else may one grow there, in which soil, and how often is it watered? " * 2,
    ],
)
def test_another_prompt_is_another(other):
    assert clusters([LONG, "What is 7 times 9?", other]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "a", "ab\u0301", "\ud800", "好", "??", "  "])
def test_the_shortest_texts_are_the_same_as_themselves_alone(text):
    assert clusters([text, "another", text]).tolist() == [0, 1, 0]


def test_nothing_has_no_clusters():
    assert clusters([]).tolist() == []


def test_what_is_alike_step_by_step_is_one_cluster():
    words = [f"word{n}" for n in range(60)]
    steps = [" ".join([f"other{n}" for n in range(k)] + words[k:]) for k in range(0, 12, 3)]
    assert set(clusters(steps).tolist()) == {0}


def test_most_at_nine_tenths_are_found_and_almost_none_at_a_half():
    draw = random.Random(3)

    def told(changed: float) -> tuple[str, str]:
        words = ["".join(draw.choices(string.ascii_lowercase, k=7)) for _ in range(80)]
        others = ["".join(draw.choices(string.ascii_lowercase, k=7)) if draw.random() < changed else w for w in words]
        return " ".join(words), " ".join(others)

    def found(changed: float) -> float:
        texts = [text for _ in range(150) for text in told(changed)]
        first = clusters(texts)
        return float(np.mean(first[1::2] == first[::2]))

    assert found(0.03) > 0.95  # J about .92
    assert found(0.25) < 0.02  # J about .53


@given(st.lists(st.sampled_from([LONG, LONG + "!", "Hello", "hello ", "Good morning to you all"]), max_size=8))
def test_who_is_with_whom_does_not_hang_on_the_order(texts):
    def together(some: list[str]) -> set[frozenset[str]]:
        first = clusters(some)
        return {frozenset(text for text, of in zip(some, first, strict=True) if of == one) for one in first}

    assert together(texts) == together(texts[::-1])
    assert all(first <= index for index, first in enumerate(clusters(texts)))
