"""Features of texts, computed once: a cache by hash of the text (it holds no text), and their reduction."""

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import polars as pl

from unspoken.errors import TooLittleData
from unspoken.rewards import trunk as trunks

COMPONENTS = 64
Progress = Callable[[float, str], None]


def of_texts(
    texts: pl.DataFrame, trunk: trunks.Trunk, cache: Path | None = None, progress: Progress | None = None
) -> np.ndarray:
    """Features of frames.TEXTS in its order, float32, shape (n, hidden); equal texts are encoded once."""
    file = cache / f"features-{trunk.digest}.npz" if cache else None
    inputs = list(texts.select("prompt", "answer").iter_rows())
    return remembered(inputs, file, lambda new: trunks.encode(trunk, new, progress), trunk.model.config.hidden_size)


def remembered(
    inputs: Sequence[tuple[str, str]],
    file: Path | None,
    encode: Callable[[list[tuple[str, str]]], np.ndarray],
    hidden: int,
) -> np.ndarray:
    """What `encode` makes of (prompt, answer) pairs, shape (n, hidden); what the file holds is not asked for again."""
    keys = [_key(prompt, answer) for prompt, answer in inputs]
    known = _load(file)
    missing = {key: pair for key, pair in zip(keys, inputs, strict=True) if key not in known}
    if missing:
        known.update(zip(missing, encode(list(missing.values())), strict=True))
        _save(file, known)
    return np.stack([known[key] for key in keys]) if keys else np.zeros((0, hidden), dtype=np.float32)


@dataclass(frozen=True)
class Reduction:
    """x = (features − mean) @ directions, shape (hidden, k), scaled so that every component has spread 1.

    `held`: share of the features' variance in the k components.
    """

    mean: np.ndarray
    directions: np.ndarray
    held: float

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Shape (n, k), float64."""
        reduced: np.ndarray = (features.astype(np.float64) - self.mean) @ self.directions
        return reduced


def reduction(features: np.ndarray, components: int = COMPONENTS) -> Reduction:
    """Principal components of features of neutral texts; at least twice as many distinct rows as components are needed.

    Each component is scaled to spread 1 (whitened): style, which differs within a prompt, lives in small components,
    topic in the large ones.
    """
    distinct = np.unique(features.astype(np.float64), axis=0)
    if len(distinct) < 4:
        raise TooLittleData(
            f"Too few answers to train on: features are reduced on texts that train neither model, {len(distinct)} "
            "such texts are there, and 4 are needed at least. Collect more answers, then train again."
        )
    mean = distinct.mean(0)
    _, spread, axes = np.linalg.svd(distinct - mean, full_matrices=False)
    k = min(components, len(distinct) // 2, int((spread > 1e-6 * spread[0]).sum()))
    # The sign of a component is arbitrary: fix it, so that the same texts give the same bits.
    axes = axes[:k] * np.sign(axes[np.arange(k), np.abs(axes[:k]).argmax(1)])[:, None]
    scale = spread[:k] / np.sqrt(len(distinct) - 1)
    return Reduction(mean, (axes / scale[:, None]).T, float((spread[:k] ** 2).sum() / (spread**2).sum()))


def _key(prompt: str, answer: str) -> bytes:
    return blake2b(f"{len(prompt)}\x00{prompt}\x00{answer}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _load(file: Path | None) -> dict[bytes, np.ndarray]:
    if file is None or not file.is_file():
        return {}
    try:
        with np.load(file) as stored:
            return dict(zip((bytes(key) for key in stored["keys"]), stored["rows"], strict=True))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}  # damaged: it is only a cache, and is written anew


def _save(file: Path | None, known: dict[bytes, np.ndarray]) -> None:
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    with beside.open("wb") as opened:
        keys = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, 16)
        np.savez(opened, keys=keys, rows=np.stack(list(known.values())))
    beside.replace(file)
