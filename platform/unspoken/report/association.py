"""Do the labels themselves go together? Spearman's rank correlation on the overlap, people resampled."""

from typing import Any

import numpy as np
import polars as pl

from unspoken.pairs.folder import DatasetFolder
from unspoken.report import resampling
from unspoken.report.words import interval

REPLICATES = 1000
_SIGNALS = {
    "revealed label": "p_revealed",
    "wrote again": "continued",
    "later turns": "later_turns",
    "copied share": "copied_share",
    "regenerated": "regenerated",
    "stopped": "stopped",
    "reading time (residual)": "dwell_z",
}


def associations(dataset: DatasetFolder, seed: int = 0) -> list[dict[str, Any]]:
    """One row per revealed signal that varies: its correlation with the stated label of the same answers."""
    labels = dataset.labels
    stated = labels.filter(pl.col("family") == "stated").select("message", p_stated="p", rule_stated="rule")
    revealed = labels.filter(pl.col("family") == "revealed").select("message", p_revealed="p")
    overlap = (
        stated.join(revealed, on="message")
        .join(dataset.episodes, on="message")
        .join(dataset.acts.select("message", "dwell_z"), on="message")
    )
    random = np.random.default_rng([seed, 4])
    rows: list[dict[str, Any]] = []
    for name, column in _SIGNALS.items():
        both = overlap.filter(pl.col(column).is_not_null() & pl.col("p_stated").is_not_null())
        signal = both[column].cast(pl.Float64).to_numpy()
        if len(both) < 20 or (signal == signal[0]).all() or both["p_stated"].n_unique() < 2:
            continue
        if column != "p_revealed" and rows and np.array_equal(signal, _column(overlap, "p_revealed")):
            rows[0]["revealed"] = f"{name} (the revealed label)"
            continue
        rows.append(_row(name, both, signal, random))
    return rows


def _column(frame: pl.DataFrame, name: str) -> np.ndarray:
    return frame[name].cast(pl.Float64).to_numpy()


def _row(name: str, both: pl.DataFrame, signal: np.ndarray, random: np.random.Generator) -> dict[str, Any]:
    said = _column(both, "p_stated")
    people = [
        tuple(sorted({person for person in pair if person is not None}))
        for pair in both.select("user", "author").iter_rows()
    ]
    index: dict[str, int] = {}
    units = [tuple(index.setdefault(person, len(index)) for person in unit) for unit in people]
    drawn = resampling.draw(len(index), REPLICATES, random)
    values = weighted_spearman(said, signal, resampling.of_units(drawn, units))
    low, high = resampling.percentile(values, 0.025, 0.975)
    estimate = float(weighted_spearman(said, signal, np.ones((1, len(said))))[0])
    return {
        "stated": both["rule_stated"][0].partition("/")[0],
        "revealed": name,
        "n": len(both),
        "statistic": "Spearman",
        "estimate": estimate,
        "low": low,
        "high": high,
    }


def weighted_spearman(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Spearman's correlation where each row counts `weight` times, shape (replicates,); ties get their mid-rank."""
    a, b = _ranks(first, weight), _ranks(second, weight)
    total = weight.sum(axis=1, keepdims=True)
    a = a - (a * weight).sum(axis=1, keepdims=True) / total
    b = b - (b * weight).sum(axis=1, keepdims=True) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((a * a * weight).sum(axis=1) * (b * b * weight).sum(axis=1))
        return np.asarray((a * b * weight).sum(axis=1) / spread)


def _ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    sizes = np.add.reduceat(weight[:, order], starts, axis=1)
    return np.asarray((np.cumsum(sizes, axis=1) - sizes / 2)[:, group])


def sentence(rows: list[dict[str, Any]]) -> str:
    """What may be said of the labels alone."""
    if not rows:
        return "Labels: too few answers have both a stated and a revealed label to say anything."
    main = rows[0]
    clear = main["low"] > 0 or main["high"] < 0
    said = f"Spearman {interval(main)}, n = {main['n']:,}"
    if not clear:
        return f"Labels: no correlation can be told from none ({said})."
    return f"Labels correlate ({said})." if main["low"] > 0 else f"Labels go against each other ({said})."
