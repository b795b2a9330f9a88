"""The half-by-half estimator against worlds whose truth is known, and the promise that nobody stands on two sides."""

from dataclasses import replace

import numpy as np
import pytest

from unspoken.errors import TooLittleData
from unspoken.report import halves
from unspoken.report.evaluation import Evaluation
from unspoken.report.resampling import percentile
from unspoken.report.verdict import interval, reliability, verdict
from unspoken.rewards.records import Records


def quick(world: tuple[Records, Records, Evaluation], seed: int = 0) -> halves.Estimate:
    """Fewer splits and replicates than a report has."""
    return halves.estimate(*world, splits=4, replicates=300, seed=seed)


def judged(estimate: halves.Estimate) -> str:
    return verdict(estimate, [reliability(estimate, family) for family in ("stated", "revealed")], "")["label"]


def shuffled(data, seed: int = 0):
    return replace(data, p=np.random.default_rng(seed).permutation(data.p))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_utility_is_never_said_to_be_two(make_world, seed):
    estimate = quick(make_world(1.0, seed=seed), seed)
    found = interval(estimate)
    assert found["low"] < 1 < found["high"]
    assert "differ" not in judged(estimate)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_utilities_are_told_apart_and_their_correlation_is_found(make_world, seed):
    estimate = quick(make_world(0.3, seed=seed), seed)
    found = interval(estimate)
    assert found["low"] < 0.3 < found["high"]
    assert judged(estimate) == "differ by more than the margin"


def test_opposite_utilities_have_a_gap_of_two(make_world):
    estimate = quick(make_world(-1.0))
    found = interval(estimate)
    assert found["low"] < -1 < found["high"]
    assert 1 - found["estimate"] == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("which", [0, 1])
def test_shuffled_labels_bring_the_products_to_nothing_and_nothing_is_told(make_world, which):
    arms = list(make_world(1.0))
    arms[which] = shuffled(arms[which])
    estimate = quick((arms[0], arms[1], arms[2]))
    low, high = percentile((estimate.replicates[:, 0, 3] + estimate.replicates[:, 1, 2]) / 2, 0.025, 0.975)
    assert low < 0 < high
    assert judged(estimate) == "cannot tell"


def test_tastes_of_the_same_people_do_not_count_as_agreement(make_world):
    # Nothing in common but each person's own taste, which is the same in both: few people, strong tastes.
    worlds = [make_world(0.0, people=20, taste=1.5, labels=40, seed=seed) for seed in range(20)]
    c = np.mean([halves.estimate(*world, splits=2, replicates=2).point for world in worlds], axis=0)
    same_people, other_people = (c[0, 2] + c[1, 3]) / 2, (c[0, 3] + c[1, 2]) / 2
    assert same_people > 4 * abs(other_people)


def people_of(arm: halves._Arm) -> set[str]:
    return {person for unit in arm.data.unit for person in arm.data.people[unit]}


@pytest.mark.parametrize("together", [1, 2])
def test_no_product_has_a_person_on_both_of_its_sides(make_world, together):
    stated, revealed, evaluation = make_world(0.5, people=60, together=together)
    draws = halves._Draws(stated, revealed, evaluation, 2, 1.0, 0)
    for split in range(halves.SPLITS):
        said_a, said_b, did_a, did_b = (people_of(arm) for arm in draws.arms(stated, revealed, split))
        for one, other in ((said_a, did_b), (said_b, did_a), (said_a, said_b), (did_a, did_b)):
            assert one
            assert not one & other
        assert not (said_a | said_b | did_a | did_b) & set(evaluation.people)


def test_splits_differ_and_do_not_depend_on_the_seed(make_world):
    stated, revealed, evaluation = make_world(0.5, people=60)
    sides = [
        people_of(halves._Draws(stated, revealed, evaluation, 2, 1.0, seed).arms(stated, revealed, split)[0])
        for seed, split in ((0, 0), (1, 0), (0, 1))
    ]
    assert sides[0] == sides[1] != sides[2]


def test_a_person_is_drawn_as_often_in_both_families_and_half_the_draws_are_of_each_half(make_world):
    stated, revealed, evaluation = make_world(0.5, people=60)
    draws = halves._Draws(stated, revealed, evaluation, 50, 1.0, 0)
    said, _, did, _ = draws.arms(stated, revealed, 0)
    drawn = [
        dict(zip((arm.data.people[unit] for unit in arm.units), arm.multiplicity(draws.training).T, strict=True))
        for arm in (said, did)
    ]
    assert drawn[0].keys() == drawn[1].keys()
    assert all((drawn[0][person] == drawn[1][person]).all() for person in drawn[0])
    np.testing.assert_allclose(np.mean(list(drawn[0].values()), axis=0), 1)


def test_the_same_seed_gives_the_same_numbers_and_another_one_other_replicates(make_world):
    world = make_world(0.5, people=100)
    first, again, other = (halves.estimate(*world, splits=2, replicates=20, seed=seed) for seed in (0, 0, 1))
    assert (first.replicates == again.replicates).all()
    assert (first.point == other.point).all()
    assert not (first.replicates == other.replicates).all()


def test_a_share_of_the_people_has_that_share_of_the_labels(make_world):
    world = make_world(0.5)
    quarter, whole = (halves.estimate(*world, splits=1, replicates=10, share=share) for share in (0.25, 1.0))
    assert whole.labels == (3200, 3200)
    assert quarter.labels[0] == pytest.approx(800, rel=0.25)
    assert quarter.people_per_half == pytest.approx(50, rel=0.3)
    assert whole.people_per_half == pytest.approx(200, rel=0.15)


def test_the_cheap_form_moves_heads_as_refits_do(make_world):
    stated, revealed, evaluation = make_world(0.5)
    draws = halves._Draws(stated, revealed, evaluation, 40, 1.0, 0)
    for arm in draws.arms(stated, revealed, 0):
        cheap, true = arm.moved(draws.training), arm.refitted(draws.training)
        assert np.linalg.norm(cheap - true) < 0.12 * np.linalg.norm(true - arm.fit.w)


def test_the_standard_error_is_checked_by_refits_and_kept_where_they_agree(make_world):
    stated, revealed, evaluation = make_world(0.5)
    cheap = quick((stated, revealed, evaluation))
    checked = halves.checked(cheap, stated, revealed, evaluation, refits=100)
    assert checked.se_ratio == pytest.approx(1, abs=0.1)
    assert not checked.refitted
    assert (checked.replicates == cheap.replicates).all()


def test_everything_is_refitted_where_a_few_people_hold_most_labels(make_world):
    stated, revealed, evaluation = make_world(0.5, people=60, labels=6)
    stated, revealed = (replace(data, weight=np.where(data.unit < 6, 40.0, 1.0)) for data in (stated, revealed))
    cheap = halves.estimate(stated, revealed, evaluation, splits=halves.SPLITS, replicates=20)
    checked = halves.checked(cheap, stated, revealed, evaluation, refits=60)
    assert checked.se_ratio is not None
    assert abs(checked.se_ratio - 1) > halves.SE_TOLERANCE
    assert checked.refitted
    assert checked.replicates.shape == cheap.replicates.shape
    np.testing.assert_allclose(checked.point, cheap.point)
    assert not np.allclose(checked.replicates, cheap.replicates)


def test_chats_of_two_people_train_only_where_both_are_on_one_side(make_world):
    world = make_world(0.8, together=2, labels=12)
    estimate = quick(world)
    assert estimate.labels[0] == pytest.approx(4800 / 2, rel=0.1)
    found = interval(estimate)
    assert found["low"] < 0.8 < found["high"]


def test_reliability_is_the_agreement_of_two_models_of_one_family(make_world):
    estimate = quick(make_world(0.5))
    for family, (a, b) in {"stated": (0, 1), "revealed": (2, 3)}.items():
        point, replicates = estimate.reliability(family)
        c = estimate.point
        assert point == pytest.approx(c[a, b] / np.sqrt(c[a, a] * c[b, b]))
        assert 0.7 < point < 1
        low, high = percentile(replicates, 0.025, 0.975)
        assert low < point < high


def test_a_half_without_labels_is_said(make_world):
    stated, revealed, evaluation = make_world(0.5, people=60)
    one_person = stated.only(stated.unit == 0)
    with pytest.raises(TooLittleData):
        halves.estimate(one_person, revealed, evaluation, splits=1, replicates=5)


def test_nothing_held_out_means_nothing_told(make_world):
    stated, revealed, evaluation = make_world(0.5, people=60)
    none = replace(
        evaluation, x=evaluation.x[:0], weight=evaluation.weight[:0], starts=evaluation.starts[:0], units=(), people=()
    )
    alike = replace(evaluation, x=np.zeros_like(evaluation.x))
    for nothing in (none, alike):
        estimate = halves.estimate(stated, revealed, nothing, splits=1, replicates=20)
        assert np.isnan(estimate.rho)
        assert judged(estimate) == "cannot tell"
