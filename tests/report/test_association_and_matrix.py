"""Ranks with weights against scipy, the sentence about labels, and pair accuracy counted by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from unspoken.pairs import folder
from unspoken.report import association, matrix
from unspoken.report.parted import MOST, parted

VALUES = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 3.0])
ROWS = st.lists(st.tuples(VALUES, VALUES, st.integers(0, 3)), min_size=3, max_size=30)


@given(ROWS)
def test_weighted_spearman_is_scipys_with_rows_repeated(rows):
    first, second, times = (np.array(column) for column in zip(*rows, strict=True))
    one, other = np.repeat(first, times), np.repeat(second, times)
    assume(len(set(one)) > 1 and len(set(other)) > 1)
    found = association.weighted_spearman(first, second, times[None].astype(float))
    np.testing.assert_allclose(found, [spearmanr(one, other).statistic], atol=1e-9)


def test_weighted_spearman_is_scipys_for_unit_weights():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 200))
    found = association.weighted_spearman(first, second + first, np.ones((3, 200)))
    np.testing.assert_allclose(found, spearmanr(first, second + first).statistic)


def test_a_replicate_without_variation_has_no_correlation():
    assert np.isnan(association.weighted_spearman(np.ones(4), np.arange(4.0), np.ones((1, 4)))).all()


@pytest.mark.parametrize(
    ("low", "high", "begins"),
    [(0.1, 0.3, "Labels correlate"), (-0.3, -0.1, "Labels go against"), (-0.1, 0.1, "Labels: no correlation")],
)
def test_the_sentence_about_labels_follows_their_interval(low, high, begins):
    row = {"estimate": (low + high) / 2, "low": low, "high": high, "n": 1234}
    said = association.sentence([row])
    assert said.startswith(begins)
    assert "n = 1,234" in said


def test_the_sentence_says_when_there_is_nothing_to_compare():
    assert "too few" in association.sentence([])


def test_associations_of_the_simulated_world_have_an_interval_around_them(loop):
    rows = association.associations(folder.read(loop.dataset))
    assert rows[0]["revealed"].startswith("revealed label")
    for row in rows:
        assert row["low"] <= row["estimate"] <= row["high"]
        assert row["stated"] == "vote"
        assert row["n"] >= 20


def held_out(*rows: tuple[str, str, float, list[str]]) -> pl.DataFrame:
    return pl.DataFrame(
        [(message, prompt, p, people) for message, prompt, p, people in rows],
        schema={"message": pl.String, "prompt_key": pl.String, "p": pl.Float64, "people": pl.List(pl.String)},
        orient="row",
    )


def test_pairs_are_right_wrong_or_tied_and_weigh_one_over_the_others_of_their_prompt():
    test = held_out(
        ("a", "x", 1.0, ["p"]), ("b", "x", 0.0, ["q"]), ("c", "x", 0.0, ["r"]),  # a ≻ b, a ≻ c, each weighs ½
        ("d", "y", 0.9, ["s"]), ("e", "y", 0.2, ["t"]),  # d ≻ e, weighs 1
        ("f", "y", 0.85, ["u"]),  # f ≻ e, and no better than d; each of the prompt's pairs weighs ½
        ("g", "z", 1.0, ["v"]),  # alone
    )  # fmt: skip
    pairs = matrix._TestPairs(test, 0)
    found = sorted(
        (pairs.messages[better], pairs.messages[worse], weight)
        for better, worse, weight in zip(pairs.better, pairs.worse, pairs.weight, strict=True)
    )
    assert found == [("a", "b", 0.5), ("a", "c", 0.5), ("d", "e", 0.5), ("f", "e", 0.5)]
    score = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 5.0, "e": 7.0, "f": 9.0, "g": 0.0}
    cell = pairs.accuracy(score)  # right, tied, wrong, right
    assert cell["estimate"] == (1 + 0.5 + 0 + 1) / 4
    assert cell["pairs"] == 4
    assert 0 <= cell["low"] <= cell["estimate"] <= cell["high"] <= 1
    assert pairs.accuracy(dict.fromkeys(score, 3.0))["estimate"] == 0.5


def test_without_pairs_there_is_no_accuracy():
    for test in (held_out(), held_out(("a", "x", 1.0, ["p"]), ("b", "y", 0.0, ["q"]))):
        cell = matrix._TestPairs(test, 0).accuracy({"a": 1.0, "b": 0.0})
        assert (cell["estimate"], cell["low"], cell["high"], cell["pairs"]) == (None, None, None, 0)


def test_a_crowded_prompt_is_thinned_the_same_way_each_time():
    rows = [(f"m{i:03d}", "x", float(i % 2), [f"p{i}"]) for i in range(2 * matrix.MOST_PER_PROMPT)]
    first, again = (matrix._TestPairs(held_out(*rows), 0) for _ in range(2))
    assert (first.better == again.better).all()
    assert 0 < len(first.better) <= matrix.MOST_PER_PROMPT**2 / 4
    assert first.weight.sum() == pytest.approx(len(first.better) / (matrix.MOST_PER_PROMPT - 1))


def test_the_answers_that_part_most_are_held_out_and_no_text_comes_twice(loop):
    dataset = folder.read(loop.dataset)
    row_of = {message: row for row, message in enumerate(dataset.texts["message"])}
    random = np.random.default_rng(0)
    _, text = np.unique(dataset.texts["prompt"] + "\n" + dataset.texts["answer"], return_inverse=True)
    stated, revealed = random.normal(size=(2, len(text)))[:, text]
    rows = parted(dataset, stated, revealed, row_of)
    assert len(rows) == MOST
    assert {row["message"] for row in rows} <= set(dataset.unpaired.filter(pl.col("split") == "test")["message"])
    assert len({(row["prompt"], row["answer"]) for row in rows}) == MOST
    sizes = [abs(row["difference"]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert all(row["difference"] == pytest.approx(row["stated"] - row["revealed"]) for row in rows)


def test_models_that_agree_part_nowhere(loop):
    dataset = folder.read(loop.dataset)
    row_of = {message: row for row, message in enumerate(dataset.texts["message"])}
    score = np.random.default_rng(0).normal(size=len(row_of))
    assert all(row["difference"] == pytest.approx(0, abs=1e-9) for row in parted(dataset, score, 3 * score + 1, row_of))
