"""Made-up labels with known weights, as arrays."""

from typing import Protocol

import numpy as np
import pytest

from unspoken.rewards.records import Records


class MakeRecords(Protocol):
    """Builds records of people whose utility is x·w."""

    def __call__(
        self, pairs: int = 120, alone: int = 120, people: int = 12, k: int = 4, seed: int = 0, soft: bool = False
    ) -> Records:
        """Pairs with margins, then unpaired labels; record i belongs to person i modulo `people`."""
        ...


@pytest.fixture(scope="session")
def make_records() -> MakeRecords:
    """Builds records of people whose utility is x·w, w = (1, −1, ½, 0 …)."""

    def make(
        pairs: int = 120, alone: int = 120, people: int = 12, k: int = 4, seed: int = 0, soft: bool = False
    ) -> Records:
        random = np.random.default_rng(seed)
        n = pairs + alone
        x = random.normal(size=(n, k))
        w = np.resize([1.0, -1.0, 0.5, 0.0], k)
        unit = np.arange(n) % people
        is_alone = np.arange(n) >= pairs
        margin = np.where(is_alone, 0.0, random.choice([-1.0, 0.0, 1.0], n))
        lenient = random.normal(size=people)[unit] * is_alone
        chance = 1 / (1 + np.exp(-(x @ w - margin + lenient + 0.4 * is_alone)))
        return Records(
            x=x,
            margin=margin,
            p=chance if soft else (random.random(n) < chance).astype(float),
            weight=random.uniform(0.5, 1.5, n),
            alone=is_alone,
            intercept=np.where(is_alone, unit, -1),
            unit=unit,
            people=tuple((f"person-{i}",) for i in range(people)),
        )

    return make
