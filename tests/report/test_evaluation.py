"""The products of score differences within prompts, against the plainest loop that could compute them."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unspoken.report.evaluation import products

FINITE = st.floats(-10, 10, allow_nan=False)


def plainly(scores: np.ndarray, weight: np.ndarray, prompts: list[np.ndarray]) -> np.ndarray:
    """c(f, g) of one replicate as its definition reads: scores (E, m), weight (E,)."""
    m = scores.shape[1]
    total, out = 0.0, np.zeros((m, m))
    for rows in prompts:
        pairs = list(combinations(rows, 2))
        each = np.array([weight[i] * weight[j] for i, j in pairs])
        if each.sum() <= 1e-12:
            continue
        of_prompt = weight[rows].sum()
        differences = np.array([scores[i] - scores[j] for i, j in pairs])
        total += of_prompt
        out += of_prompt * np.einsum("p,pf,pg->fg", each, differences, differences) / each.sum()
    return out / total if total else np.full((m, m), np.nan)


@st.composite
def held_out(draw):
    """(scores, weight, sizes): two replicates of three scores over prompts of one to five answers."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    answers = sum(sizes)
    scores = draw(arrays(float, (2, answers, 3), elements=FINITE))
    weight = draw(arrays(float, (2, answers), elements=st.sampled_from([0.0, 0.25, 1.0, 2.0, 3.0])))
    return scores, weight, sizes


@given(held_out())
def test_products_are_the_mean_over_pairs_within_prompts(drawn):
    scores, weight, sizes = drawn
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    found = products(scores, weight, starts)
    prompts = np.split(np.arange(sum(sizes)), starts[1:])
    for replicate in range(2):
        expected = plainly(scores[replicate], weight[replicate], prompts)
        np.testing.assert_allclose(found[replicate], expected, atol=1e-8)


def test_a_prompt_with_one_answer_counts_nothing():
    scores = np.array([[[1.0], [3.0], [100.0]]])
    weight = np.array([[1.0, 1.0, 7.0]])
    assert products(scores, weight, np.array([0, 2])).item() == 4.0


def test_what_all_answers_of_a_prompt_share_counts_nothing():
    random = np.random.default_rng(0)
    scores, weight, starts = random.normal(size=(1, 8, 2)), np.ones((1, 8)), np.array([0, 3, 6])
    shifted = scores + np.repeat([1000.0, -5.0, 7.0], [3, 3, 2])[None, :, None]
    np.testing.assert_allclose(products(shifted, weight, starts), products(scores, weight, starts), atol=1e-6)


def test_an_answer_counts_once_however_many_stand_beside_it():
    # Two prompts whose differences are 1 and 3 everywhere: two answers against six weigh 2 : 6.
    scores = np.array([0.0, 1.0] + [0.0, 3.0] * 3)[None, :, None]
    of_two, of_six = 1.0, 9.0 * 9 / 15
    found = products(scores, np.ones((1, 8)), np.array([0, 2]))
    np.testing.assert_allclose(found.item(), (2 * of_two + 6 * of_six) / 8)


def test_without_prompts_there_is_no_product():
    assert np.isnan(products(np.zeros((3, 0, 4)), np.zeros((3, 0)), np.array([], dtype=int))).all()
    assert np.isnan(products(np.ones((1, 2, 4)), np.ones((1, 2)), np.array([0, 1]))).all()
