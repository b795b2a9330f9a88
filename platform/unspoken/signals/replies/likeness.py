"""How alike a reply is to the user's prompt before: asked again in other words, or something else."""

import re
from collections.abc import Sequence

import numpy as np

CHARS = 200  # of each text: more tells little more, and the distance costs their product
SAME_WORDS, SAME_MEANING, WITHIN_S = 0.5, 0.75, 300.0
SHORTEST = 8  # characters: "yes" and "no" are half equal by chance
_AT_ONCE = 512


def edit_distances(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Levenshtein distance of the first 200 characters over the longer length, 0 … 1, shape (n,).

    Case, spacing and punctuation do not count. 1 where a text is shorter than 8 characters.
    """
    found = np.ones(len(pairs))
    for start in range(0, len(pairs), _AT_ONCE):
        some = [sorted((_plain(a), _plain(b)), key=len) for a, b in pairs[start : start + _AT_ONCE]]
        found[start : start + len(some)] = _distances([a for a, _ in some], [b for _, b in some])
    return found


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row, −1 … 1; 0 where one of them is 0. Shapes (n, d) → (n,)."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = (a * b).sum(1, dtype=np.float64)
    likeness: np.ndarray = np.divide(products, lengths, out=np.zeros(len(a)), where=lengths > 0)
    return likeness


def asked_again(distance: float, cosine: float, seconds: float | None) -> bool:
    """The rule: edit distance ≤ ½ or cosine ≥ .75, within five minutes of the prompt; at an unknown time, no."""
    return seconds is not None and 0 <= seconds <= WITHIN_S and (distance <= SAME_WORDS or cosine >= SAME_MEANING)


def _distances(shorter: list[str], longer: list[str]) -> np.ndarray:
    a, b = _codes(shorter, -1), _codes(longer, -2)
    place = np.arange(a.shape[1] + 1, dtype=np.int32)
    row = np.repeat(place[None], len(a), axis=0)
    lengths_a, lengths_b = (np.array([len(text) for text in texts]) for texts in (shorter, longer))
    distance = np.zeros(len(a))
    for i in range(b.shape[1]):
        # Deletion and substitution at once; insertions run along the row, as a running minimum.
        best = row + 1
        np.minimum(best[:, 1:], row[:, :-1] + (a != b[:, i, None]), out=best[:, 1:])
        row = np.minimum.accumulate(best - place, axis=1) + place
        ended = np.flatnonzero(lengths_b == i + 1)
        distance[ended] = row[ended, lengths_a[ended]]
    return np.where(lengths_a < SHORTEST, 1.0, distance / np.maximum(lengths_b, 1))


def _codes(texts: list[str], padding: int) -> np.ndarray:
    codes = np.full((len(texts), max(map(len, texts))), padding, dtype=np.int32)
    for row, text in zip(codes, texts, strict=True):
        row[: len(text)] = [ord(sign) for sign in text]
    return codes


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text[:CHARS].casefold()).strip()[:CHARS]
