"""Orders made of one number are those made of two, and numbers of conversations are those of their names."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from unspoken.signals.episodes.rows import NOWHERE, by_both, rows_of, stable, talks
from unspoken.signals.tree import PRIME, modulo_prime

NUMBERS = st.lists(st.integers(0, 5), max_size=40)
TIMES = st.integers(-(2**62), 2**62) | st.integers(0, 3)


@given(NUMBERS)
def test_a_stable_order_leaves_equals_where_they_were(key):
    assert stable(np.array(key, dtype=np.int64)).tolist() == np.argsort(key, kind="stable").tolist()


@given(st.lists(st.tuples(st.integers(0, 5), TIMES), max_size=40))
def test_by_both_is_by_the_first_and_then_by_the_other_however_far_apart_they_lie(pairs):
    first, then = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    assert by_both(first, then).tolist() == np.lexsort((then, first)).tolist()


@given(st.lists(st.integers(0, (int(PRIME) - 1) * int(PRIME))))
def test_folding_is_what_remains_of_a_division_by_the_prime(words):
    words = np.array([*words, 0, PRIME, PRIME - 1, 2 * PRIME, (PRIME - 1) * PRIME], dtype=np.uint64)
    assert modulo_prime(words).tolist() == (words % PRIME).tolist()


def test_conversations_have_the_same_number_in_all_frames_by_their_names():
    frames = (pl.DataFrame({"conversation": names}) for names in (["b", "b", "a"], ["c", "a", "c", "b"]))
    assert [each.tolist() for each in talks(*frames)] == [[2, 2, 1], [3, 1, 3, 2]]


def test_a_name_that_is_not_there_and_no_name_at_all_stand_nowhere():
    names = pl.Series(["y", "y", None, "never", "x"])
    assert rows_of(names, pl.Series(["x", "y"])).tolist() == [1, 1, NOWHERE, NOWHERE, 0]
