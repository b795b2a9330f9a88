"""ρ̃: the correlation of stated and revealed utility within prompts, free of training noise (science §7).

Users are hashed into halves a, b. S_a, S_b, R_a, R_b are trained alike, and
    ρ̃ = ½[c(S_a, R_b) + c(S_b, R_a)] / √(c(S_a, S_b)·c(R_a, R_b)),  g = 1 − ρ̃, not clipped.
Every product has other people on its two sides, so noise of training drops out. Each c is averaged over the splits
before the ratio is taken.

Intervals: people are drawn with replacement inside each half (one multiplicity per person for S and R, and for all
splits, scaled to mean 1 in each half), people of the evaluation set likewise; percentiles. Heads move by the cheap
form w* = w + Σ_u (n_u − 1)(H − H_u)⁻¹g_u, which true refits of one split check.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from unspoken.pairs.split import place
from unspoken.report import resampling
from unspoken.report.evaluation import Evaluation, products
from unspoken.rewards import head
from unspoken.rewards.records import Records

SPLITS, REPLICATES, REFITS = 10, 1000, 200
SE_TOLERANCE = 0.10
_CHUNK = 40
_ARMS = 4  # S_a, S_b, R_a, R_b, in this order
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Estimate:
    """Replicates of the averaged products. point (4, 4), replicates (B, 4, 4), floors (B, 4): c(f, f) of the models as
    trained under resampled evaluation, for reliabilities. `se_ratio`: cheap over refitted, None when not checked."""

    point: np.ndarray
    replicates: np.ndarray
    floors: np.ndarray
    labels: tuple[int, int]
    people_per_half: float
    se_ratio: float | None
    refitted: bool

    @property
    def rho(self) -> float:
        """ρ̃; NaN where a floor is not positive."""
        return float(_rho(self.point[None])[0])

    @property
    def rho_replicates(self) -> np.ndarray:
        """(B,)."""
        return _rho(self.replicates)

    def reliability(self, family: str) -> tuple[float, np.ndarray]:
        """r = c(f_a, f_b)/√(c(f_a, f_a)·c(f_b, f_b)) and its replicates.

        The denominator keeps the noise of the models as trained: a bootstrap would add its own to it and call every
        model less reliable than it is.
        """
        a, b = (0, 1) if family == "stated" else (2, 3)
        with np.errstate(invalid="ignore", divide="ignore"):
            point = self.point[a, b] / np.sqrt(self.point[a, a] * self.point[b, b])
            return float(point), self.replicates[:, a, b] / np.sqrt(self.floors[:, a] * self.floors[:, b])


def estimate(
    stated: Records,
    revealed: Records,
    evaluation: Evaluation,
    *,
    splits: int = SPLITS,
    replicates: int = REPLICATES,
    share: float = 1.0,
    seed: int = 0,
    refit: bool = False,
    progress: Progress | None = None,
) -> Estimate:
    """ρ̃ with its bootstrap; `share` keeps that share of the training people, `refit` fits every replicate anew.

    TooLittleData when a half has no labels, or labels of one kind alone.
    """
    say = progress or (lambda share, note: None)
    draws = _Draws(stated, revealed, evaluation, replicates, share, seed)
    point = np.zeros((_ARMS, _ARMS))
    moved = np.zeros((replicates, _ARMS, _ARMS))
    floors = np.zeros((replicates, _ARMS))
    counts = np.zeros(2)
    effective: list[float] = []
    for split in range(splits):
        say(split / splits, f"halves {split + 1} of {splits}")
        arms = draws.arms(stated, revealed, split)
        sizes = [len(arm.data) for arm in arms]
        counts += np.array([sizes[0] + sizes[1], sizes[2] + sizes[3]]) / splits
        effective += [arm.effective_people() for arm in arms]
        weights = np.stack([arm.fit.w for arm in arms])
        point += _products(evaluation, weights[None], evaluation.weight[None])[0] / splits
        heads = np.stack([(arm.refitted if refit else arm.moved)(draws.training) for arm in arms], axis=1)
        moved += _products(evaluation, heads, draws.held_out) / splits
        same = np.broadcast_to(weights, (replicates, *weights.shape))
        floors += np.diagonal(_products(evaluation, same, draws.held_out), axis1=1, axis2=2) / splits
    say(1.0, f"halves {splits} of {splits}")
    labels = (round(counts[0]), round(counts[1]))
    return Estimate(point, moved, floors, labels, float(np.mean(effective)), None, refitted=refit)


def checked(
    cheap: Estimate,
    stated: Records,
    revealed: Records,
    evaluation: Evaluation,
    *,
    seed: int = 0,
    refits: int = REFITS,
    progress: Progress | None = None,
) -> Estimate:
    """`cheap`, its standard error held against true refits of one split; off by over 10 %, all is refitted."""
    draws = _Draws(stated, revealed, evaluation, refits, 1.0, seed)
    arms = draws.arms(stated, revealed, 0)
    spread = [
        resampling.robust_sd(_rho(_products(evaluation, np.stack(heads, axis=1), draws.held_out)))
        for heads in ([arm.moved(draws.training) for arm in arms], [arm.refitted(draws.training) for arm in arms])
    ]
    ratio = spread[0] / spread[1] if spread[1] > 0 else float("nan")
    if not abs(ratio - 1) <= SE_TOLERANCE:  # so written, NaN is refitted too
        everything = estimate(
            stated, revealed, evaluation, replicates=len(cheap.replicates), seed=seed, refit=True, progress=progress
        )
        return replace(everything, se_ratio=ratio if np.isfinite(ratio) else None)
    return replace(cheap, se_ratio=ratio if np.isfinite(ratio) else None)


class _Draws:
    """Who is drawn how often: `training` (B, people), and `held_out` (B, E), the weights of evaluation answers."""

    def __init__(
        self, stated: Records, revealed: Records, evaluation: Evaluation, replicates: int, share: float, seed: int
    ) -> None:
        random = np.random.default_rng([seed, 3])
        everyone = {person for data in (stated, revealed) for unit in data.people for person in unit}
        self.people = sorted(person for person in everyone if place(person, "size") < share)
        self.training = resampling.draw(len(self.people), replicates, random)
        drawn = resampling.draw(len(evaluation.people), replicates, random)
        self.held_out = resampling.of_units(drawn, evaluation.units) * evaluation.weight

    def arms(self, stated: Records, revealed: Records, split: int) -> "list[_Arm]":
        """S_a, S_b, R_a, R_b of one split."""
        index = {person: i for i, person in enumerate(self.people)}
        side = np.array([place(person, f"half-{split}") < 0.5 for person in self.people], dtype=bool)
        return [_Arm(data, index, side == (half == "a")) for data in (stated, revealed) for half in "ab"]


class _Arm:
    """One half of one family: its records, its head, and how the head moves when people are drawn again."""

    def __init__(self, data: Records, index: dict[str, int], inside: np.ndarray) -> None:
        whole = [unit for unit, persons in enumerate(data.people) if all(p in index for p in persons)]
        units = {unit: tuple(index[p] for p in data.people[unit]) for unit in whole}
        self.units = {unit: persons for unit, persons in units.items() if persons and inside[list(persons)].all()}
        mine = np.isin(data.unit, list(self.units))
        self.data = data.only(mine)
        self.inside = inside
        self.fit = head.fit(self.data)
        self._columns = {unit: column for column, unit in enumerate(self.units)}

    def multiplicity(self, drawn: np.ndarray) -> np.ndarray:
        """(replicates, units of this half), mean 1 over the half's people in each replicate."""
        mean = drawn[:, self.inside].mean(axis=1, keepdims=True)
        return resampling.of_units(drawn / np.maximum(mean, 1e-9), list(self.units.values()))

    def moved(self, drawn: np.ndarray) -> np.ndarray:
        """(replicates, k) heads by the cheap form."""
        influence = head.unit_influence(self.data, self.fit, len(self.data.people))[list(self.units)]
        return np.asarray(self.fit.w + (self.multiplicity(drawn) - 1) @ influence)

    def refitted(self, drawn: np.ndarray) -> np.ndarray:
        """(replicates, k) heads by true refits."""
        per_record = self.multiplicity(drawn)[:, [self._columns[unit] for unit in self.data.unit]]
        return np.stack([head.fit(self.data, multiplicity=row, start=self.fit).w for row in per_record])

    def effective_people(self) -> float:
        """Kish's number of people, by the weight of their labels."""
        weight = np.zeros(len(self.inside))
        for record, unit in enumerate(self.data.unit):
            for person in self.units[unit]:
                weight[person] += self.data.weight[record] / len(self.units[unit])
        return resampling.kish(weight)


def _products(evaluation: Evaluation, weights: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """(B, 4, 4) from heads (B, 4, k) and answer weights (B, E), in chunks that stay small in memory."""
    out = []
    for start in range(0, len(weights), _CHUNK):
        heads = weights[start : start + _CHUNK]
        scores = np.matmul(evaluation.x[None], heads.transpose(0, 2, 1))
        out.append(products(scores, held_out[start : start + _CHUNK], evaluation.starts))
    return np.concatenate(out)


def _rho(c: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        floor = np.where((c[:, 0, 1] > 0) & (c[:, 2, 3] > 0), c[:, 0, 1] * c[:, 2, 3], np.nan)
        return np.asarray((c[:, 0, 3] + c[:, 1, 2]) / 2 / np.sqrt(floor))
