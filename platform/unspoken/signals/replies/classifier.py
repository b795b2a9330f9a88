"""The second look: a multinomial logistic regression on a sentence encoder's vector and five plain features.

Trained by benchmarks/replies.py on hand-labelled turns that are in the repository; its weights are classifier.npz, its
measured rates measured.json. It reads the user's two messages alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np

from unspoken.errors import BadInput
from unspoken.signals.replies.rules import ORDER

NONE = "none"  # none of these: the chat goes on
CLASSES = (*ORDER, NONE)
DIRECTION = 3.2  # a unit vector of 384 numbers times this: components of the size of the plain features


@dataclass(frozen=True)
class Classifier:
    """P(class) = softmax(x @ weights[:-1] + weights[-1]); the last row holds the classes' base rates in real chats."""

    weights: np.ndarray  # (features + 1, classes)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, features) → (n, classes), in CLASSES' order; BadInput where the encoder's width is another."""
        if x.shape[1] != len(self.weights) - 1:
            raise BadInput(
                f"The replies' classifier reads {len(self.weights) - 1} features and was given {x.shape[1]}. Inject "
                "the encoder that it was trained with (minilm, mean over tokens), or none: then the rules alone speak."
            )
        z = x @ self.weights[:-1] + self.weights[-1]
        odds = np.exp(z - z.max(1, keepdims=True))
        chances: np.ndarray = odds / odds.sum(1, keepdims=True)
        return chances


def features(texts: Sequence[str], vectors: np.ndarray, distances: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Shape (n, d + 5): direction of the text's vector, likeness to the prompt before, length, ? and !."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    plain = [(np.log1p(len(text.split())), float("?" in text), float("!" in text)) for text in texts]
    return np.column_stack(
        [
            DIRECTION * vectors / np.maximum(lengths, 1e-9),
            distances,
            cosines,
            np.array(plain, dtype=np.float64).reshape(-1, 3),
        ]
    )


@cache
def trained() -> Classifier:
    """The committed one."""
    with np.load(BytesIO((files(__package__) / "classifier.npz").read_bytes())) as stored:
        return Classifier(stored["weights"].astype(np.float64))


@cache
def measured() -> dict[str, Any]:
    """What benchmarks/replies.py found: the threshold `alone`, the calibration, the rates of rules and of both."""
    read: dict[str, Any] = json.loads((files(__package__) / "measured.json").read_text("utf-8"))
    return read
