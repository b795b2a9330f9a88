"""Sentence vectors for the classifier of replies: nothing is loaded before the first text is to be read."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from unspoken.rewards.trunk import Trunk

BASE_MODEL = "minilm"  # whose vectors the classifier was trained on (unspoken.signals.replies)


def encoder(cache: Path | None, device: str = "cpu", threads: int = 1) -> Callable[[list[str]], np.ndarray]:
    """Texts to vectors, float32, shape (n, 384). `cache`: the folder where they are kept, by hash of the text."""
    loaded: list[Trunk] = []

    def encode(texts: list[str]) -> np.ndarray:
        from unspoken.rewards import features
        from unspoken.rewards import trunk as trunks

        if not loaded:
            loaded.append(trunks.load(BASE_MODEL, device, threads))
        trunk = loaded[0]
        file = cache / f"features-sentences-{trunk.digest}.npz" if cache else None
        inputs = [(text, "") for text in texts]
        hidden = trunk.model.config.hidden_size
        return features.remembered(inputs, file, lambda new: trunks.sentences(trunk, [text for text, _ in new]), hidden)

    return encode
