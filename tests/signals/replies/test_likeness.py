"""The edit distance against a plain one, and the limits of asking again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.signals.replies.likeness import CHARS, asked_again, cosines, edit_distances

WORDS = st.text(alphabet="abcd ", min_size=8, max_size=30).map(lambda text: "x".join(text.split()) + "yyyyyyyy")


def plain_distance(a, b):
    row = list(range(len(b) + 1))
    for i, sign in enumerate(a, 1):
        row, before = [i], row
        for j, other in enumerate(b, 1):
            row.append(min(row[-1] + 1, before[j] + 1, before[j - 1] + (sign != other)))
    return row[-1] / max(len(a), len(b))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_the_distance_is_levenshteins_over_the_longer_length(pairs):
    np.testing.assert_allclose(edit_distances(pairs), [plain_distance(a, b) for a, b in pairs])


def test_case_spacing_and_punctuation_do_not_count_and_short_texts_are_alike_to_nothing():
    assert edit_distances(
        [("How old is Rome?", "how old  is rome"), ("yes", "yes"), ("", ""), ("Rome", "")]
    ).tolist() == [
        0.0,
        1.0,
        1.0,
        1.0,
    ]


def test_only_the_beginning_of_long_texts_is_compared():
    same = "the same words again " * 20
    assert edit_distances([(same[:CHARS] + "one end " * 9_000, same[:CHARS] + "another " * 9_000)])[0] == 0


def test_a_vector_of_nothing_is_like_nothing():
    assert cosines(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [2.0, 2.0]])).tolist() == pytest.approx(
        [0, 1]
    )


@pytest.mark.parametrize(
    ("distance", "cosine", "seconds", "expected"),
    [
        (0.5, 0.0, 300.0, True),
        (0.51, 0.74, 10.0, False),
        (0.9, 0.75, 10.0, True),
        (0.1, 0.9, 300.1, False),
        (0.1, 0.9, None, False),
        (0.1, 0.9, -1.0, False),
    ],
)
def test_asking_again_takes_likeness_and_five_minutes(distance, cosine, seconds, expected):
    assert asked_again(distance, cosine, seconds) is expected
