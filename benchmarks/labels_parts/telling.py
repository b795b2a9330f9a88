"""From rows to the headline figures and the table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from benchmarks.labels_parts import families
from benchmarks.labels_parts.measuring import ARMS, Row
from scipy.stats import t


def mean(rows: Sequence[Row], *path: str) -> dict[str, float]:
    """Mean over seeds with its 95 % interval (Student), of one figure of each row."""
    values = []
    for row in rows:
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            values.append(float(value))
    if not values:
        return {}
    return spread(values)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean and 95 % interval; without a second value there is no interval."""
    found = {"mean": float(np.mean(values))}
    if len(values) > 1:
        half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
        found |= {"low": found["mean"] - half, "high": found["mean"] + half}
    return found


def finite(told: Any) -> Any:
    """With null for every number that is none, which JSON cannot say."""
    if isinstance(told, dict):
        return {name: finite(value) for name, value in told.items()}
    return None if isinstance(told, float) and not np.isfinite(told) else told


def figures(found: dict[str, list[Row]], chains: Sequence[Row]) -> dict[str, Any]:
    """The headline figures, for as many of them as their worlds were run. `chains`: rows of `of_chains`."""
    told: dict[str, Any] = {}

    def between(a: str, b: str, *path: str) -> list[float]:
        """Of world a less of world b, by seed."""
        rows = zip(found.get(a, ()), found.get(b, ()), strict=False)
        return [_at(x, path) - _at(y, path) for x, y in rows]

    def arm(world: str, name: str, score: str) -> list[float]:
        return [_at(row, ("arms", name, score)) for row in found.get(world, ())]

    def less(a: list[float], b: list[float]) -> list[float]:
        return [x - y for x, y in zip(a, b, strict=True)]

    lists = {
        "kl_default": arm("default", "factor", "kl"),
        "kl_anchored_excess": less(arm("default", "factor, anchored", "kl"), arm("default", "factor", "kl")),
        "kl_misspecified": arm("misspecified", "factor", "kl"),
        "brier_gap_default": less(arm("default", "factor", "brier"), arm("default", "bayes", "brier")),
    }
    for world in ("recency", "abandonment", "topic_speed", "skew", "duplicates", "beacons"):
        lost = between("default", world, "arms", "factor", "auc")
        lists[f"auc_loss_{world}"] = lost
        lists[f"auc_loss_{world}_excess"] = less(lost, between("default", world, "arms", "bayes", "auc"))
    for name, world, key in (
        ("stated_cosine_brigade", "brigade", "stated_cosine"),
        ("stated_cosine_brigade_ceiling", "brigade", "stated_ceiling"),
        ("mixed_world_cosine_error", "mixed", "cosine_error"),
        ("bots_tpr", "bots", "bots_tpr"),
        ("bots_fpr", "bots", "bots_fpr"),
        ("votes_read", "default", "votes_read"),
    ):
        lists[name] = [float(row[key]) for row in found.get(world, ()) if key in row]
    for name in ("length_artefact", "length_by_margin", "length_without_margin"):
        lists[name] = [float(row[name]) for row in chains]
    for name, values in lists.items():
        if values:
            whole = spread(values)
            told[name] = whole["mean"]
            if "low" in whole:
                told[f"{name}_95"] = [whole["low"], whole["high"]]
    return told


def _at(row: Row, path: Sequence[str]) -> float:
    value: Any = row
    for name in path:
        value = value[name]
    return float(value)


def table(found: dict[str, list[Row]]) -> str:
    """One row per world and arm: means over seeds, with the half width of their 95 % interval."""
    lines = [
        "| world | answers | labelled | " + " | ".join(f"{arm}: AUC · Brier · KL" for arm in ARMS) + " |",
        "|---|---|---|" + "---|" * len(ARMS),
    ]
    for name, rows in found.items():
        cells = [_marks(rows, "arms", arm) for arm in ARMS]
        answers, covered = mean(rows, "answers"), mean(rows, "coverage")
        lines.append(f"| {name} | {answers['mean']:,.0f} | {covered['mean']:.1%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def families_table(found: dict[str, list[Row]]) -> str:
    """The stated and the expressed family: one row per world, of the answers that have a label of it."""
    lines = []
    for family, arms in families.ARMS.items():
        head = " | ".join(f"{arm}: AUC · Brier · KL" for arm in arms)
        lines += [f"| world | {family}: labels | labelled | {head} |", "|---|---|---|" + "---|" * len(arms)]
        for name, rows in found.items():
            if labels := mean(rows, "families", family, "labels"):
                covered = mean(rows, "families", family, "coverage")
                cells = [_marks(rows, "families", family, "arms", arm) for arm in arms]
                lines.append(f"| {name} | {labels['mean']:,.0f} | {covered['mean']:.1%} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines[:-1])


def _marks(rows: Sequence[Row], *path: str) -> str:
    return " · ".join(_cell(mean(rows, *path, score)) for score in ("auc", "brier", "kl"))


def _cell(of: dict[str, float]) -> str:
    if not of:
        return "–"
    words = f"{of['mean']:.3f}"
    return words + (f" ± {of['high'] - of['mean']:.3f}" if "high" in of else "")


def headlines(told: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = ["| figure | mean | 95 % |", "|---|---|---|"]
    for name, value in told.items():
        if not name.endswith("_95"):
            interval = told.get(f"{name}_95")
            within = f"{interval[0]:.4f} … {interval[1]:.4f}" if interval else "–"
            lines.append(f"| {name} | {value:.4f} | {within} |")
    return "\n".join(lines)
