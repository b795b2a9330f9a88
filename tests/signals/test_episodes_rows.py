"""Orders made of one number are those made of two, and numbers of conversations are those of their names."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from unspoken.signals.episodes.ids import Ids
from unspoken.signals.episodes.rows import NOWHERE, by_both, named, stable, taken, talks
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


@given(st.lists(st.integers(0, 2**62 + 2**31)))
def test_folding_is_what_remains_of_a_division_by_the_prime(words):
    words = np.array([*words, 0, PRIME, PRIME - 1, PRIME + 1, 2 * PRIME, 2**62 - 1, 2**62 + 2**31], dtype=np.uint64)
    assert modulo_prime(words).tolist() == (words % PRIME).tolist()


def test_conversations_have_the_same_number_in_all_frames_by_their_names():
    frames = (pl.DataFrame({"conversation": names}) for names in (["b", "b", "a"], ["c", "a", "c", "b"]))
    assert [each.tolist() for each in talks(*frames)] == [[2, 2, 1], [3, 1, 3, 2]]


def test_a_name_that_is_not_there_and_no_name_at_all_stand_nowhere():
    names = pl.Series(["y", "y", None, "never", "x"])
    assert Ids(pl.Series(["x", "y"])).rows(names).tolist() == [1, 1, NOWHERE, NOWHERE, 0]
    assert Ids(pl.Series([], dtype=pl.String)).rows(names).tolist() == [NOWHERE] * 5


@given(st.lists(st.integers(0, 999), unique=True), st.lists(st.integers(0, 999) | st.none()))
def test_every_name_is_found_where_it_stands_also_when_another_one_has_its_slot(drawn, asked):
    ids, names = ([None if each is None else f"id {each}" for each in numbers] for numbers in (drawn, asked))
    expected = [ids.index(name) if name in ids else NOWHERE for name in names]
    assert Ids(pl.Series(ids, dtype=pl.String)).rows(pl.Series(names, dtype=pl.String)).tolist() == expected


def test_of_so_many_ids_some_have_the_slot_of_another_one():
    ids = Ids(pl.Series(f"id {number}" for number in range(1000)))
    assert 10 < len(ids.others) < 200


def test_rows_that_are_nowhere_are_nulls_also_of_a_frame_of_none():
    frame = pl.DataFrame({"name": ["x", None, "z"]})
    assert taken(frame, np.array([2, NOWHERE, 0, 1]))["name"].to_list() == ["z", None, "x", None]
    assert taken(frame.clear(), np.array([NOWHERE] * 2))["name"].to_list() == [None, None]


def test_rows_that_are_named_are_numbered_in_their_order():
    each, place = named(np.array([3, NOWHERE, 1, 3]), 5)
    assert each.tolist() == [1, 3]
    assert place[[0, 1, 2, 3, 4, NOWHERE]].tolist() == [NOWHERE, 0, NOWHERE, 1, NOWHERE, NOWHERE]
