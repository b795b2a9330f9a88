"""Results in order, made a little ahead."""

from contextlib import closing
from functools import partial
from threading import Barrier, get_ident
from time import sleep

import pytest

from unspoken.store.ahead import AT_ONCE, ahead

PATIENCE_S = 300


def test_results_come_in_the_order_of_the_calls():
    assert list(ahead(partial(int, n) for n in range(20))) == list(range(20))
    assert list(ahead([])) == []


def test_calls_run_at_once_and_no_more_are_begun_than_that():
    together = Barrier(AT_ONCE)
    begun = []

    def call(number):
        begun.append(number)
        together.wait(PATIENCE_S)
        return get_ident()

    found = ahead(partial(call, number) for number in range(3 * AT_ONCE))
    next(found)
    assert len(begun) <= AT_ONCE + 1
    assert get_ident() not in list(found)


def test_a_call_that_fails_fails_in_its_turn():
    def call(number):
        if number == 3:
            raise ValueError("the third")
        return number

    found = ahead(partial(call, number) for number in range(9))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(found)


def test_who_is_given_up_on_has_ended_and_begins_no_more():
    begun, ended = [], []

    def call(number):
        begun.append(number)
        sleep(0.1)
        ended.append(number)

    with closing(ahead(partial(call, number) for number in range(9))) as found:
        next(found)
    assert sorted(ended) == sorted(begun)
    assert len(begun) <= 1 + AT_ONCE
