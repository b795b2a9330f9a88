"""Held-out answers, grouped by prompt, and the products c(f, g) of score differences within prompts."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Evaluation:
    """E answers sorted by prompt: x (E, k), weight (E,), starts of prompts, and each answer's people (indices)."""

    x: np.ndarray
    weight: np.ndarray
    starts: np.ndarray
    units: tuple[tuple[int, ...], ...]
    people: tuple[str, ...]
    messages: tuple[str, ...]
    prompt_keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.weight)


def products(scores: np.ndarray, weight: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """c(f, g) of every two of m scores, shape (B, m, m), from scores (B, E, m) and weight (B, E).

    c(f, g) = Σ_prompt W · mean_{i<j} (f_i − f_j)(g_i − g_j) / Σ_prompt W, the mean over pairs weighted m_i·m_j and
    W = Σ_i m_i: each pair counts 1/(pairs of its answer), so an answer counts once however many stand beside it.
    """
    if not len(starts):
        return np.full((len(scores), scores.shape[2], scores.shape[2]), np.nan)
    total = np.add.reduceat(weight, starts, axis=1)
    pairs = (total**2 - np.add.reduceat(weight**2, starts, axis=1)) / 2
    weighted = scores * weight[:, :, None]
    sums = np.add.reduceat(weighted, starts, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(pairs > 1e-12, total / pairs, 0.0)
    used = np.where(pairs > 1e-12, total, 0.0).sum(axis=1)
    # Σ_p scale·(M Σ m f g − Σ m f Σ m g), each as one matrix product over answers.
    per_answer = np.repeat(scale * total, np.diff(np.r_[starts, scores.shape[1]]), axis=1)
    first = np.einsum("bei,bej->bij", weighted * per_answer[:, :, None], scores, optimize=True)
    second = np.einsum("bpi,bpj->bij", sums * scale[:, :, None], sums, optimize=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((first - second) / used[:, None, None])
