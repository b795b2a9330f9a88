"""Pairs and unpaired of one family as arrays that the head is fitted on."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Records:
    """n records over k features. A pair's row is x_chosen − x_rejected, an unpaired one's is x of its answer.

    x (n, k) · margin (n,) logits · p (n,) in [0, 1] · weight (n,) · alone (n,) bool: unpaired, so an intercept applies
    · intercept (n,) index of the user whose own intercept applies, −1 for none · unit (n,) index of the set of people
    that is resampled as one · people: for each unit, the indices of its persons.
    """

    x: np.ndarray
    margin: np.ndarray
    p: np.ndarray
    weight: np.ndarray
    alone: np.ndarray
    intercept: np.ndarray
    unit: np.ndarray
    people: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.p)

    def only(self, rows: np.ndarray) -> "Records":
        """The records of a mask or of indices; units keep their numbers."""
        return replace(
            self,
            x=self.x[rows],
            margin=self.margin[rows],
            p=self.p[rows],
            weight=self.weight[rows],
            alone=self.alone[rows],
            intercept=self.intercept[rows],
            unit=self.unit[rows],
        )


def records(pairs: pl.DataFrame, unpaired: pl.DataFrame, x_of: dict[str, int], x: np.ndarray) -> Records:
    """From frames.PAIRS and frames.UNPAIRED of one family; `x_of` gives an answer's row in `x` (answers, k)."""
    chosen = [x_of[message] for message in pairs["chosen"]]
    rejected = [x_of[message] for message in pairs["rejected"]]
    single = [x_of[message] for message in unpaired["message"]]
    k = x.shape[1]
    rows = np.concatenate([(x[chosen] - x[rejected]).reshape(-1, k), x[single].reshape(-1, k)])
    users: dict[str, int] = {}
    own = [users.setdefault(user, len(users)) if user is not None else -1 for user in unpaired["user"]]
    units: dict[tuple[str, ...], int] = {}
    whose = [tuple(people) for people in [*pairs["people"].to_list(), *unpaired["people"].to_list()]]
    unit = [units.setdefault(people, len(units)) for people in whose]
    both = len(pairs)
    return Records(
        x=rows,
        margin=np.concatenate([pairs["margin"].to_numpy(), np.zeros(len(unpaired))]),
        p=np.concatenate([pairs["p"].to_numpy(), unpaired["p"].to_numpy()]),
        weight=np.concatenate([pairs["weight"].to_numpy(), unpaired["weight"].to_numpy()]),
        alone=np.arange(len(rows)) >= both,
        intercept=np.array([-1] * both + own, dtype=int),
        unit=np.array(unit, dtype=int),
        people=tuple(units),
    )
