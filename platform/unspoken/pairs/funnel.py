"""The account of what was kept and what was dropped: every step's numbers add up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass
class Funnel:
    """Steps in order; `entered = kept + Σ dropped` holds for each, or it raises."""

    steps: list[dict[str, Any]] = field(default_factory=list)

    def step(self, name: str, entered: int, kept: int, dropped: Sequence[tuple[str, int]]) -> None:
        """Record one step; reasons that dropped nothing are left out. ValueError where the counts do not add up."""
        if entered != kept + sum(count for _, count in dropped):
            raise ValueError(f"the step {name!r} does not add up: {entered} entered, {kept} kept, {dropped} dropped")
        reasons = [{"reason": reason, "count": count} for reason, count in dropped if count]
        self.steps.append({"step": name, "entered": entered, "kept": kept, "dropped": reasons})

    def keep(self, name: str, frame: pl.DataFrame, rules: Sequence[tuple[str, pl.Expr]]) -> pl.DataFrame:
        """Rows for which no rule holds; each other row is counted under the first rule that holds for it."""
        left, dropped = frame, []
        for reason, drops in rules:
            before = len(left)
            if left.select(drops.any()).item():  # or else all of it would be copied
                left = left.filter(~drops.fill_null(False))
            dropped.append((reason, before - len(left)))
        self.step(name, len(frame), len(left), dropped)
        return left
