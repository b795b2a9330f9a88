"""Train {stated, revealed} × test {stated, revealed}: how often the better label gets the higher score."""

from typing import Any

import numpy as np
import polars as pl

from unspoken.pairs.folder import DatasetFolder
from unspoken.report import resampling

REPLICATES = 500
LEAST_DIFFERENCE = 0.1  # of two labels, for them to say which answer is better
MOST_PER_PROMPT = 150


def matrix(dataset: DatasetFolder, scores: dict[str, dict[str, float]], seed: int = 0) -> list[dict[str, Any]]:
    """One cell per model and test family; `scores` by model name and message. Intervals are of *fixed* models."""
    rows = []
    for family in ("stated", "revealed"):
        test = dataset.unpaired.filter((pl.col("family") == family) & (pl.col("split") == "test"))
        pairs = _TestPairs(test, seed)
        rows += [{"train": name, "test": family, **pairs.accuracy(of)} for name, of in scores.items()]
    return rows


class _TestPairs:
    """Pairs of held-out answers to one prompt whose labels differ, weighted 1/(answers − 1)."""

    def __init__(self, test: pl.DataFrame, seed: int) -> None:
        better: list[int] = []
        worse: list[int] = []
        weight: list[float] = []
        test = test.sort("prompt_key", "message")
        self.messages = test["message"].to_list()
        p = test["p"].to_numpy()
        keys = test["prompt_key"].to_numpy()
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.array([], dtype=int)
        random = np.random.default_rng([seed, 5])
        for every in np.split(np.arange(len(keys)), starts[1:]):
            few = min(len(every), MOST_PER_PROMPT)
            rows = every if few == len(every) else np.sort(random.choice(every, few, replace=False))
            first, second = np.nonzero(p[rows][:, None] - p[rows][None] >= LEAST_DIFFERENCE)
            better += rows[first].tolist()
            worse += rows[second].tolist()
            weight += [1 / max(len(rows) - 1, 1)] * len(first)
        self.better, self.worse, self.weight = np.array(better, int), np.array(worse, int), np.array(weight)
        index: dict[str, int] = {}
        units = [tuple(index.setdefault(person, len(index)) for person in people) for people in test["people"]]
        self.drawn = resampling.of_units(resampling.draw(len(index), REPLICATES, random), units)

    def accuracy(self, score_of: dict[str, float]) -> dict[str, Any]:
        """Ties count one half. NaN and no pairs where nothing can be compared."""
        shape = {"metric": "pair accuracy", "pairs": len(self.better)}
        if not len(self.better):
            return {**shape, "estimate": None, "low": None, "high": None}
        score = np.array([score_of[message] for message in self.messages])
        right = (np.sign(score[self.better] - score[self.worse]) + 1) / 2
        estimate = float((right * self.weight).sum() / self.weight.sum())
        values = np.full(REPLICATES, np.nan)
        for replicate, drawn in enumerate(self.drawn):
            weight = self.weight * drawn[self.better] * drawn[self.worse]
            if weight.sum() > 0:
                values[replicate] = (right * weight).sum() / weight.sum()
        low, high = resampling.percentile(values, 0.025, 0.975)
        return {**shape, "estimate": estimate, "low": low, "high": high}
