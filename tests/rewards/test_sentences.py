"""Sentence vectors for the classifier of replies: real MiniLM, loaded late, each text read once."""

import numpy as np

from unspoken.rewards import trunk as trunks
from unspoken.rewards.sentences import BASE_MODEL, encoder

TEXTS = ["Thank you, that helped.", "Thanks, that was helpful!", "How do I bake bread?", "Thank you, that helped."]


def test_vectors_are_those_of_the_trunk_and_like_texts_are_alike():
    found = encoder(None)(TEXTS)
    assert found.shape == (4, 384)
    np.testing.assert_allclose(found, trunks.sentences(trunks.load(BASE_MODEL), TEXTS), atol=1e-5)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > 0.7 > 0.3 > unit[0] @ unit[2]


def test_what_was_read_once_is_kept_by_hash_and_holds_no_text(tmp_path):
    first = encoder(tmp_path)(TEXTS)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("features-sentences-")
    written = file.read_bytes()
    assert b"bake" not in written
    np.testing.assert_array_equal(encoder(tmp_path)(TEXTS[::-1]), first[::-1])
    assert file.read_bytes() == written


def test_no_texts_are_no_vectors():
    assert encoder(None)([]).shape == (0, 384)
