"""Topics of prompts for a chatbot that names none: k-means over hashed words (Dhillon 2001). Answers are never read."""

from collections.abc import Sequence
from hashlib import blake2b
from re import compile as pattern
from zlib import crc32

import numpy as np

from unspoken.events.digests import normalized

MOST, ANSWERS_EACH, TEXTS_EACH = 12, 200, 4
WORDS = 1024  # buckets
_SAMPLE, _ROUNDS, _AT_ONCE = 4000, 20, 4096
_WORD = pattern(r"\w+")


def topics(texts: Sequence[str], answers: int) -> list[str]:
    """A topic's name for each text, the same for all where there is too little to tell topics apart.

    At most 12, each with 200 answers and four texts on average. Equal sets of texts get equal topics, in any order.
    """
    distinct = sorted(set(texts), key=lambda text: blake2b(text.encode("utf-8", "surrogatepass")).digest())
    count = min(MOST, answers // ANSWERS_EACH, len(distinct) // TEXTS_EACH)
    if count < 2:
        return ["topic 1"] * len(texts)
    sample = _counts(distinct[:_SAMPLE])
    rarity = np.log((1 + len(sample)) / (1 + (sample > 0).sum(0)))
    centres = _centres(_unit(sample * rarity), count)
    name: dict[str, str] = {}
    for start in range(0, len(distinct), _AT_ONCE):
        some = distinct[start : start + _AT_ONCE]
        nearest = _nearest(_unit(_counts(some) * rarity), centres)
        name.update((text, f"topic {each + 1}") for text, each in zip(some, nearest, strict=True))
    return [name[text] for text in texts]


def _counts(texts: Sequence[str]) -> np.ndarray:
    """log(1 + times) of each bucket's words, shape (n, WORDS)."""
    times = np.zeros((len(texts), WORDS))
    for row, text in enumerate(texts):
        for word in _WORD.findall(normalized("NFKC", text).casefold()):
            times[row, crc32(word.encode("utf-8", "surrogatepass")) % WORDS] += 1
    return np.log1p(times)


def _unit(rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _centres(rows: np.ndarray, count: int) -> np.ndarray:
    """Spherical k-means from a start by k-means++, by a fixed seed; shape (count, WORDS)."""
    random = np.random.default_rng(0)
    chosen = [0]
    away = np.full(len(rows), np.inf)
    for _ in range(count - 1):
        away = np.minimum(away, np.round(1 - rows @ rows[chosen[-1]], 6).clip(1e-9))
        chosen.append(int(np.searchsorted(np.cumsum(away), random.random() * away.sum(), side="right")))
    centres = rows[chosen]
    for _ in range(_ROUNDS):
        nearest = _nearest(rows, centres)
        centres = _unit(np.stack([rows[nearest == each].sum(0) for each in range(count)]))
    return centres


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the likest centre. Rounded, so that a sum's last bits, which a machine may differ in, decide nothing."""
    nearest: np.ndarray = np.argmax(np.round(rows @ centres.T, 6), axis=1)
    return nearest
