"""People with two utilities over drawn features, their labels, and held-out answers: the truth is known."""

from typing import Protocol

import numpy as np
import pytest

from unspoken.report.evaluation import Evaluation
from unspoken.rewards.records import Records

K = 6


class MakeWorld(Protocol):
    """Builds (stated, revealed, evaluation) of people whose two utilities correlate ρ within prompts."""

    def __call__(
        self, rho: float, people: int = 400, seed: int = 0, taste: float = 0.2, labels: int = 8, together: int = 1
    ) -> tuple[Records, Records, Evaluation]:
        """`labels` per family and person; `taste` spread of own weights; `together` people in each exchange."""
        ...


@pytest.fixture(scope="session")
def make_world() -> MakeWorld:
    """Builds a world of 30 held-out prompts with 6 answers each, whose people train nothing."""

    def make(
        rho: float, people: int = 400, seed: int = 0, taste: float = 0.2, labels: int = 8, together: int = 1
    ) -> tuple[Records, Records, Evaluation]:
        random = np.random.default_rng([seed, 11])
        first, second = np.linalg.qr(random.normal(size=(K, 2)))[0].T
        common = {"stated": first, "revealed": rho * first + np.sqrt(1 - rho**2) * second}
        own = random.normal(size=(people, K)) * taste  # a person's taste is the same in both
        arms = []
        for weights in common.values():
            owner = np.repeat(np.arange(people), labels)
            x = random.normal(size=(len(owner), K))
            utility = ((weights + own[owner]) * x).sum(1)
            partner = (owner + (random.integers(1, 5, len(owner)) if together == 2 else 0)) % people
            unit_of: dict[tuple[str, ...], int] = {}
            unit = []
            for pair in zip(owner.tolist(), partner.tolist(), strict=True):
                unit.append(unit_of.setdefault(tuple(f"person-{i}" for i in sorted(set(pair))), len(unit_of)))
            arms.append(
                Records(
                    x=x,
                    margin=np.zeros(len(owner)),
                    p=(random.random(len(owner)) < 1 / (1 + np.exp(-2 * utility))).astype(float),
                    weight=np.ones(len(owner)),
                    alone=np.ones(len(owner), dtype=bool),
                    intercept=owner,
                    unit=np.array(unit),
                    people=tuple(unit_of),
                )
            )
        answers = 180
        evaluation = Evaluation(
            x=random.normal(size=(answers, K)),
            weight=np.ones(answers),
            starts=np.arange(0, answers, 6),
            units=tuple((i % 60,) for i in range(answers)),
            people=tuple(f"held-out-{i}" for i in range(60)),
            messages=tuple(f"m{i}" for i in range(answers)),
            prompt_keys=tuple(f"p{i // 6}" for i in range(answers)),
        )
        return arms[0], arms[1], evaluation

    return make
