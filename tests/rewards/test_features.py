"""Features are computed once per text, the cache holds no text, and their reduction is white and repeatable."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from unspoken.errors import TooLittleData
from unspoken.frames import TEXTS
from unspoken.rewards import features
from unspoken.rewards import trunk as trunks


@pytest.fixture(scope="module")
def trunk(tiny_base) -> trunks.Trunk:
    return trunks.load(str(tiny_base))


@pytest.fixture
def texts() -> pl.DataFrame:
    """Six answers of four texts."""
    pairs = [("who?", "me"), ("who?", "you"), ("who?", "me"), ("why?", "a secret"), ("who", "?me"), ("who?", "you")]
    rows: list[tuple[Any, ...]] = [(f"m{i}", prompt, [], answer, True) for i, (prompt, answer) in enumerate(pairs)]
    return pl.DataFrame(rows, schema=dict(TEXTS), orient="row")


def counting(notes: list[str]):
    """A progress function that keeps what it is told."""
    return lambda share, note: notes.append(note)


def test_features_stand_in_the_order_of_the_texts_and_equal_texts_are_equal(trunk, texts):
    rows = features.of_texts(texts, trunk)
    assert rows.shape == (6, 32)
    assert rows.dtype == np.float32
    assert (rows[0] == rows[2]).all()
    assert (rows[1] == rows[5]).all()
    alone = features.of_texts(texts[3:4], trunk)
    np.testing.assert_allclose(rows[3], alone[0], atol=1e-5)


def test_prompt_and_answer_are_told_apart_where_they_meet(trunk, texts):
    rows = features.of_texts(texts, trunk)
    assert not np.allclose(rows[0], rows[4], atol=1e-3)  # ("who?", "me") and ("who", "?me")


def test_equal_texts_are_encoded_once(trunk, texts):
    notes: list[str] = []
    features.of_texts(texts, trunk, progress=counting(notes))
    assert notes[-1] == "features 4 of 4"


def test_cached_features_are_the_fresh_ones_and_are_not_computed_again(trunk, texts, tmp_path):
    notes: list[str] = []
    fresh = features.of_texts(texts, trunk)
    first = features.of_texts(texts[:3], trunk, tmp_path)
    whole = features.of_texts(texts, trunk, tmp_path, counting(notes))
    assert notes[-1] == "features 2 of 2"  # the two texts that the first three rows do not hold
    np.testing.assert_allclose(whole, fresh, atol=1e-5)
    assert (whole[:3] == first).all()
    again = features.of_texts(texts, trunk, tmp_path, counting(notes))
    assert (again == whole).all()
    assert len(notes) == 1


def test_the_cache_holds_no_text(trunk, texts, tmp_path):
    features.of_texts(texts, trunk, tmp_path)
    (file,) = tmp_path.iterdir()
    assert b"secret" not in file.read_bytes()
    with np.load(file) as stored:
        assert {name: (stored[name].dtype, stored[name].shape) for name in stored.files} == {
            "keys": (np.uint8, (4, 16)),
            "rows": (np.float32, (4, 32)),
        }


def test_no_texts_have_no_features(trunk, texts):
    assert features.of_texts(texts[:0], trunk).shape == (0, 32)


def test_half_a_surrogate_pair_is_a_text_like_any_other(trunk, texts):
    odd = texts.with_columns(answer=pl.lit("\x00 \u202e e\u0301 😀"))
    assert np.isfinite(features.of_texts(odd, trunk)).all()


@pytest.fixture
def cloud() -> np.ndarray:
    """200 features of 12 dimensions whose spreads span three orders of magnitude."""
    random = np.random.default_rng(0)
    mixing = np.linalg.qr(random.normal(size=(12, 12)))[0]
    return (random.normal(size=(200, 12)) * np.logspace(0, -3, 12)) @ mixing + 5


def test_reduced_features_are_uncorrelated_with_spread_one(cloud):
    reduced = features.reduction(cloud, 8)(cloud)
    assert reduced.shape == (200, 8)
    np.testing.assert_allclose(np.cov(reduced.T), np.eye(8), atol=1e-8)
    np.testing.assert_allclose(reduced.mean(0), 0, atol=1e-8)


def test_directions_are_orthogonal_and_the_variance_held_is_said(cloud):
    directions = features.reduction(cloud, 5).directions
    gram = directions.T @ directions
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-6 * gram.max())
    held = [features.reduction(cloud, k).held for k in (1, 3, 12)]
    assert held == sorted(held)
    assert held[-1] == pytest.approx(1)


def test_the_order_and_number_of_equal_texts_do_not_move_the_reduction(cloud):
    shuffled = np.random.default_rng(1).permutation(np.concatenate([cloud, cloud[:50]]))
    np.testing.assert_array_equal(features.reduction(shuffled).directions, features.reduction(cloud).directions)


def test_a_little_noise_does_not_flip_the_sign_of_a_component(cloud):
    noisy = cloud + np.random.default_rng(2).normal(size=cloud.shape) * 1e-7
    np.testing.assert_allclose(features.reduction(noisy, 6)(cloud), features.reduction(cloud, 6)(cloud), atol=1e-2)


def test_components_are_never_more_than_half_the_texts_or_what_varies(cloud):
    assert features.reduction(cloud[:10], 64).directions.shape[1] == 5
    flat = cloud.copy()
    flat[:, 3:] = 0
    assert features.reduction(flat, 64).directions.shape[1] == 3


def test_too_few_texts_are_said_with_what_is_needed(cloud):
    with pytest.raises(TooLittleData, match=r"3 such texts are there, and 4 are needed.*Collect more"):
        features.reduction(np.repeat(cloud[:3], 10, axis=0))
    with pytest.raises(TooLittleData, match="0 such texts"):
        features.reduction(cloud[:0])
