"""Where messages stand, by rows of their parents."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspoken.errors import BadInput
from unspoken.signals.tree import keys, spelled, tree


def placed(*parents: int):
    return tree(np.array(parents), np.arange(len(parents)) % 2 == 1)


def paths(*parents: int, digests: Sequence[str]):
    return spelled(keys(np.array(parents), pl.Series(list(digests)))).to_list()


def test_every_message_knows_its_root_and_what_stands_above_and_below():
    found = placed(-1, 0, 1, 0, -1, 2)
    assert found.root.tolist() == [0, 0, 0, 0, 4, 0]
    assert found.answers_above.tolist() == [0, 1, 1, 1, 0, 2]
    assert found.below.tolist() == [4, 2, 1, 0, 0, 0]
    assert not found.cyclic.any()


def test_a_cycle_and_what_hangs_below_it_is_marked_and_spoils_nothing_else():
    found = placed(-1, 0, 3, 2, 3, 1, 4)
    assert found.cyclic.tolist() == [False, False, True, True, True, False, True]
    assert found.below[[0, 1, 5]].tolist() == [2, 1, 0]


def test_equal_paths_of_text_have_equal_keys_and_different_ones_have_not():
    first, second, other_first, other_second, swapped, swapped_second = paths(-1, 0, -1, 2, -1, 4, digests="abacba")
    assert first == other_first
    assert len({first, second, other_second, swapped, swapped_second}) == 5


def test_a_key_is_the_same_on_every_machine():
    """Datasets are rebuilt bit for bit, by later versions of the libraries too."""
    assert paths(-1, 0, digests="ab") == [
        "2fc59683546696347a131ff84eab4eab",
        "10be48e25ad9794c64395c764bfca06a",
    ]


def test_two_texts_in_every_order_of_thue_and_morse_are_two_paths():
    """Modulo a power of two they would meet."""
    count = 2048
    one = [bin(number).count("1") % 2 for number in range(count)]
    words = "".join("ab"[each] for each in one), "".join("ba"[each] for each in one)
    assert len({paths(-1, *range(count - 1), digests=word)[-1] for word in words}) == 2


def test_a_digest_that_is_none_is_refused():
    with pytest.raises(BadInput, match="32 letters"):
        paths(-1, digests=["x" * 33])


@settings(max_examples=100)
@given(st.lists(st.integers(-1, 11), min_size=1, max_size=12))
def test_it_is_what_walking_up_from_each_message_says(drawn):
    parents = [each if each < len(drawn) else -1 for each in drawn]
    found = placed(*parents)
    paths = []
    for start in range(len(parents)):
        path = [start]
        while parents[path[-1]] >= 0 and len(path) <= len(parents):
            path.append(parents[path[-1]])
        paths.append(path)
    for start, path in enumerate(paths):
        assert found.cyclic[start] == (len(path) > len(parents))
        if not found.cyclic[start]:
            assert found.root[start] == path[-1]
            assert found.answers_above[start] == sum(row % 2 for row in path)
            assert found.below[start] == sum(start in other[1:] for other in paths)
