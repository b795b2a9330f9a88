"""The head minimises what its docstring says, and moves as true refits move when people are drawn again."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from unspoken.errors import TooLittleData
from unspoken.rewards import head
from unspoken.rewards.records import Records


def objective(free: np.ndarray, data: Records, ridge: float = head.RIDGE) -> float:
    """As documented, written anew: `free` is w, the common intercept, the place, then one intercept per user."""
    k, n_users = data.x.shape[1], int(data.intercept.max(initial=-1)) + 1
    w, common, place, users = free[:k], free[k], free[k + 1], free[k + 2 :]
    assert len(users) == n_users
    own = np.array([users[user] if user >= 0 else 0.0 for user in data.intercept])
    logits = data.x @ w - place * data.margin + data.alone * common + own
    loss = data.p * np.logaddexp(0, -logits) + (1 - data.p) * np.logaddexp(0, logits)
    known = max(1.0, np.abs(data.margin).max(initial=0.0)) * (place - 1)
    return float(data.weight @ loss + ridge * data.weight.sum() * (w @ w) / 2 + (users @ users + known**2) / 2)


def taught(fitted: head.Fit) -> np.ndarray:
    """What was fitted of answers and users: everything but the place."""
    return np.concatenate([fitted.w, [fitted.common], fitted.users])


def whole(fitted: head.Fit) -> np.ndarray:
    """Everything that was fitted, in the order of `objective`."""
    return np.concatenate([fitted.theta, fitted.users])


def without_users(data: Records) -> Records:
    """The same records, nobody with an intercept of their own."""
    return replace(data, intercept=np.full(len(data), -1))


KINDS = ["pairs and unpaired", "no user intercepts", "pairs alone", "unpaired alone", "soft labels"]


@pytest.fixture(params=KINDS)
def data(request, make_records) -> Records:
    """Records of each kind that the head has to fit."""
    match request.param:
        case "no user intercepts":
            return without_users(make_records())
        case "pairs alone":
            return make_records(alone=0)
        case "unpaired alone":
            return make_records(pairs=0)
        case "soft labels":
            return make_records(soft=True)
        case _:
            return make_records()


def test_the_head_is_the_optimum_that_an_independent_minimiser_finds(data):
    fitted = whole(head.fit(data))
    found = minimize(objective, np.zeros(len(fitted)), args=(data,), method="BFGS", options={"gtol": 1e-6}).x
    np.testing.assert_allclose(fitted, found, atol=2e-4)


def test_the_gradient_is_zero_where_the_head_stops(data):
    at = whole(head.fit(data))
    steps = 1e-5 * np.eye(len(at))
    slopes = [(objective(at + step, data) - objective(at - step, data)) / 2e-5 for step in steps]
    np.testing.assert_allclose(slopes, 0, atol=1e-5)


def test_labels_of_one_half_teach_nothing_and_cost_ln_2_each(make_records):
    data = make_records()
    data = replace(data, p=np.full(len(data), 0.5), margin=np.zeros(len(data)))
    fitted = head.fit(data)
    np.testing.assert_allclose(taught(fitted), 0, atol=1e-12)
    assert fitted.place == 1
    assert objective(whole(fitted), data) == pytest.approx(data.weight.sum() * np.log(2))


def test_swapping_chosen_and_rejected_with_margin_and_label_changes_nothing(make_records):
    data = make_records(alone=0, soft=True)
    swapped = replace(data, x=-data.x, margin=-data.margin, p=1 - data.p)
    np.testing.assert_allclose(head.fit(swapped).w, head.fit(data).w, atol=1e-9)


def test_the_opposite_labels_give_the_opposite_weights(make_records):
    data = make_records(alone=0, soft=True)
    data = replace(data, margin=np.zeros(len(data)))
    np.testing.assert_allclose(head.fit(replace(data, p=1 - data.p)).w, -head.fit(data).w, atol=1e-9)


def test_opposite_votes_turn_intercepts_as_well(make_records):
    data = make_records(pairs=0)
    turned = head.fit(replace(data, p=1 - data.p))
    np.testing.assert_allclose(taught(turned), -taught(head.fit(data)), atol=1e-8)


def test_separable_pairs_are_all_put_right(make_records):
    data = make_records(alone=0)
    data = replace(data, p=(data.x @ [1.0, -1.0, 0.5, 0.0] > 0).astype(float), margin=np.zeros(len(data)))
    w = head.fit(data, ridge=1e-6).w
    assert ((data.x @ w > 0) == (data.p == 1)).all()


@pytest.mark.parametrize("kind", ["pairs", "alone"])
def test_planted_weights_are_recovered(make_records, kind):
    data = make_records(**{"pairs": 0, "alone": 0, kind: 1500}, people=150, k=8)
    w, planted = head.fit(data).w, np.resize([1.0, -1.0, 0.5, 0.0], 8)
    assert w @ planted / np.linalg.norm(w) / np.linalg.norm(planted) > 0.95


def test_the_position_margin_keeps_length_that_drifts_with_position_out_of_the_weights(make_records):
    # The last answer is the longer one and is kept for its place alone; nobody cares for length.
    random = np.random.default_rng(1)
    n, kappa = 4000, 1.5
    planted = np.array([0.0, 1.0, -0.7])
    last_is_second = random.normal(size=(n, 3)) - np.array([1.0, 0.0, 0.0])  # first − second: the second is longer
    keeps_first = random.random(n) < 1 / (1 + np.exp(-(last_is_second @ planted - kappa)))
    x = np.where(keeps_first[:, None], last_is_second, -last_is_second)  # kept − other
    last = np.where(keeps_first, -1.0, 1.0)  # last of the kept − last of the other
    data = replace(make_records(pairs=n, alone=0, k=3), x=x, p=np.ones(n), weight=np.ones(n), margin=-kappa * last)
    with_margin, without = head.fit(data, ridge=1e-4).w, head.fit(replace(data, margin=np.zeros(n)), ridge=1e-4).w
    assert without[0] > 0.4
    assert abs(with_margin[0]) < 0.1
    np.testing.assert_allclose(with_margin, planted, atol=0.12)


def test_what_a_place_is_worth_is_found_beside_the_weights(make_records):
    # κ was fitted without the texts and came out twice too large; the length of the last one took the difference.
    random = np.random.default_rng(3)
    n, kappa, told = 8000, 1.5, 3.0
    planted = np.array([0.0, 1.0, -0.7])
    last_is_second = random.normal(size=(n, 3)) - np.array([1.0, 0.0, 0.0])
    keeps_first = random.random(n) < 1 / (1 + np.exp(-(last_is_second @ planted - kappa)))
    x = np.where(keeps_first[:, None], last_is_second, -last_is_second)
    last = np.where(keeps_first, -1.0, 1.0)
    data = replace(make_records(pairs=n, alone=0, k=3), x=x, p=np.ones(n), weight=np.ones(n), margin=-told * last)
    fitted = head.fit(data, ridge=1e-4)
    assert fitted.place * told == pytest.approx(kappa, abs=0.15)
    np.testing.assert_allclose(fitted.w, planted, atol=0.1)


def test_what_drifts_with_the_place_gets_no_weight_though_texts_do_not_explain_who_regenerates(make_records):
    # Half of the worth is not in the features, the disliked are regenerated, and each further answer is longer.
    random = np.random.default_rng(4)
    n, kappa, planted = 60000, 2.0, np.array([0.0, 0.6, -0.4])
    features = random.normal(size=(n, 4, 3))
    features[:, :, 0] += 0.5 * np.arange(4)
    worth = features @ planted + 0.7 * random.normal(size=(n, 4))
    again = random.random((n, 4)) < 1 / (1 + np.exp(1 + 1.4 * worth))
    last = np.where(again[:, :3].all(1), 3, np.argmin(again, axis=1))
    place = np.arange(4) == last[:, None]
    shown = np.arange(4) <= last[:, None]
    choice = worth + kappa * place + random.gumbel(size=(n, 4))
    kept = np.where(shown, choice, -np.inf).argmax(1)
    chain, other = np.nonzero(shown & (np.arange(4) != kept[:, None]))
    x = features[chain, kept[chain]] - features[chain, other]
    margin = -kappa * (place[chain, kept[chain]].astype(float) - place[chain, other])
    pairs = make_records(pairs=len(chain), alone=0, k=3)
    data = replace(pairs, x=x, margin=margin, p=np.ones(len(chain)), weight=1 / last[chain])
    fitted = head.fit(data, ridge=1e-4)
    assert abs(fitted.w[0]) < 0.05
    assert fitted.place > 1.05
    assert fitted.w[1:] @ planted[1:] / np.linalg.norm(fitted.w[1:]) / np.linalg.norm(planted) > 0.99


def test_a_record_counted_twice_is_a_record_written_twice(make_records):
    data = without_users(make_records(pairs=60, alone=60))
    times = np.random.default_rng(2).integers(0, 4, len(data))
    repeated = data.only(np.repeat(np.arange(len(data)), times))
    counted = head.fit(data, multiplicity=times.astype(float))
    np.testing.assert_allclose(counted.w, head.fit(repeated).w, atol=1e-8)


def test_a_person_drawn_twice_is_two_people_with_an_intercept_each(make_records):
    data = make_records(people=12)
    times = np.random.default_rng(2).integers(0, 4, 12)
    rows, intercepts = [], []
    for person in range(12):
        for copy in range(times[person]):
            mine = np.flatnonzero(data.unit == person)
            rows += mine.tolist()
            intercepts += np.where(data.alone[mine], 4 * person + copy, -1).tolist()
    drawn = replace(data.only(np.array(rows)), intercept=np.array(intercepts))
    counted = head.fit(data, multiplicity=times[data.unit].astype(float))
    np.testing.assert_allclose(counted.w, head.fit(drawn).w, atol=1e-8)


def test_a_good_start_changes_the_steps_and_not_the_result(make_records):
    data = make_records()
    cold = head.fit(data)
    warm = head.fit(data, start=cold)
    assert warm.steps < cold.steps
    np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-9)


def test_arms_of_different_size_are_shrunk_alike(make_records):
    data = make_records(alone=0)
    data = replace(data, margin=np.zeros(len(data)))
    twice = data.only(np.tile(np.arange(len(data)), 2))
    np.testing.assert_allclose(head.fit(twice).w, head.fit(data).w, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_votes_of_one_kind_alone_are_refused_with_what_to_do(make_records, value):
    data = make_records(pairs=0, alone=30)
    with pytest.raises(TooLittleData, match=rf"All 30 labels say the same \({value:g}\).*Collect"):
        head.fit(replace(data, p=np.full(30, value)))


def test_labels_that_say_nothing_are_refused_with_what_to_do(make_records):
    data = make_records(pairs=0, alone=30)
    with pytest.raises(TooLittleData, match="nothing that was recorded speaks for or against"):
        head.fit(replace(data, p=np.full(30, 0.5)))


def test_pairs_alone_may_all_point_one_way(make_records):
    data = make_records(alone=0)
    assert np.isfinite(head.fit(replace(data, p=np.ones(len(data)))).w).all()


def test_no_labels_are_refused_with_what_to_do(make_records):
    data = make_records()
    nothing = data.only(np.zeros(len(data), dtype=bool))
    with pytest.raises(TooLittleData, match=r"no labels to train on.*Collect"):
        head.fit(nothing)
    with pytest.raises(TooLittleData, match="no labels to train on"):
        head.fit(data, multiplicity=np.zeros(len(data)))


def relative(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


@pytest.mark.parametrize("ridge", [head.RIDGE, 1.0])
def test_influence_is_what_leaving_a_person_out_does(make_records, ridge):
    data = make_records(pairs=400, alone=400, people=80)
    fitted = head.fit(data, ridge=ridge)
    influence = head.unit_influence(data, fitted, 80, ridge=ridge)
    for person in range(0, 80, 8):
        refit = head.fit(data, ridge=ridge, multiplicity=(data.unit != person).astype(float)).w
        assert relative(-influence[person], refit - fitted.w) < 0.05


def test_influence_is_nearly_what_a_second_person_of_the_same_labels_does(make_records):
    data = make_records(pairs=1000, alone=1000, people=200)
    fitted = head.fit(data)
    influence = head.unit_influence(data, fitted, 200)
    errors = []
    for person in range(0, 200, 20):
        both = data.only(np.r_[np.arange(len(data)), np.flatnonzero(data.unit == person)])
        twin = np.where((np.arange(len(both)) >= len(data)) & both.alone, 200, both.intercept)
        errors.append(relative(influence[person], head.fit(replace(both, intercept=twin)).w - fitted.w))
    assert max(errors) < 0.06


def test_influence_of_a_unit_without_records_is_nothing(make_records):
    data = make_records(people=12)
    influence = head.unit_influence(data, head.fit(data), 15)
    assert not influence[12:].any()
    assert np.isfinite(influence).all()


def test_the_only_person_with_unpaired_labels_may_be_left_out(make_records):
    data = make_records(pairs=200, alone=20, people=20)
    data = replace(data, unit=np.where(data.alone, 7, data.unit), intercept=np.where(data.alone, 0, -1))
    fitted = head.fit(data)
    refit = head.fit(data, multiplicity=(data.unit != 7).astype(float)).w
    assert relative(-head.unit_influence(data, fitted, 20)[7], refit - fitted.w) < 0.3
