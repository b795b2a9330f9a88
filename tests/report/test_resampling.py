"""People are drawn, and what several people share is drawn with all of them."""

import numpy as np
import pytest

from unspoken.report import resampling


def test_each_replicate_draws_as_many_people_as_there_are():
    drawn = resampling.draw(50, 400, np.random.default_rng(0))
    assert drawn.shape == (400, 50)
    assert (drawn.sum(axis=1) == 50).all()
    assert drawn.var() == pytest.approx(1, abs=0.05)


def test_nobody_can_be_drawn_from_nobody():
    assert resampling.draw(0, 3, np.random.default_rng(0)).shape == (3, 0)


def test_a_unit_of_one_person_is_drawn_as_often_as_that_person():
    drawn = np.array([[0.0, 1.0, 2.0]])
    assert resampling.of_units(drawn, [(2,), (0,), (2,)]).tolist() == [[2, 0, 2]]


def test_a_unit_of_several_people_is_drawn_as_often_as_all_of_them_together():
    drawn = np.array([[0.0, 2.0, 3.0], [1.0, 1.0, 2.0]])
    assert resampling.of_units(drawn, [(1, 2), (0, 1), (2,), ()]).tolist() == [[6, 0, 3, 1], [2, 1, 2, 1]]


def test_no_units_are_drawn_as_nothing():
    assert resampling.of_units(np.ones((4, 2)), []).shape == (4, 0)


def test_percentiles_are_of_the_finite_values():
    low, middle = resampling.percentile(np.array([np.nan, 1.0, 2.0, 3.0, np.inf]), 0, 0.5)
    assert (low, middle) == (1, 2)
    assert np.isnan(resampling.percentile(np.array([np.nan]), 0.5, 0.9)).all()


def test_the_robust_spread_is_that_of_a_normal_and_ignores_a_wild_tail():
    values = np.random.default_rng(0).normal(size=20_000) * 3
    assert resampling.robust_sd(values) == pytest.approx(3, rel=0.03)
    values[:200] = 1e9
    assert resampling.robust_sd(values) == pytest.approx(3, rel=0.06)


def test_effective_people_are_all_of_them_when_they_weigh_alike_and_one_when_one_has_it_all():
    assert resampling.kish(np.full(30, 0.2)) == pytest.approx(30)
    assert resampling.kish(np.array([5.0, 0, 0])) == pytest.approx(1)
    assert resampling.kish(np.zeros(3)) == 0
