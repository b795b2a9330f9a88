"""From rows and numbers to the columns of the episodes: text is fetched here, once and for the answers alone.

What is found is kept by the row of the message: numbers (NULL for none), or where in another frame to find it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.signals.episodes.rows import NOWHERE, NULL, stable, taken
from unspoken.signals.tree import Rows


@dataclass(frozen=True)
class Found:
    """Columns yet to be, by row of the message: `numbers` and flags, and `elsewhere`: frames and where in them."""

    numbers: Mapping[str, NDArray[np.int64] | NDArray[np.bool_]] = field(default_factory=dict)
    elsewhere: Iterable[tuple[pl.DataFrame, Rows]] = ()


def columns(parts: Iterable[Found], rows: Rows) -> pl.DataFrame:
    """What was found, side by side, for the messages at these rows."""
    parts = list(parts)
    numbers = pl.DataFrame({name: values[rows] for part in parts for name, values in part.numbers.items()})
    known = pl.col(pl.Int64)
    return pl.concat(
        [
            numbers.with_columns(pl.when(known != NULL).then(known)),
            *(taken(frame, where[rows]) for part in parts for frame, where in part.elsewhere),
        ],
        how="horizontal",
    )


@dataclass(frozen=True)
class Listed:
    """Events (their numbers) and what each speaks of (`of`), of one thing in their order.

    `asked`: by row of the message, of what it wants the events; NOWHERE for nothing.
    """

    of: Rows
    number: Rows
    asked: Rows


def lists(parts: Sequence[Listed], rows: Rows, ids: pl.Series, name: str) -> pl.Series:
    """For the messages at these rows the ids of the events of all parts, one part after the other."""
    spread = [_spread(part, rows) for part in parts]
    answer, number = (np.concatenate(each) for each in zip(*spread, strict=True))
    order = stable(answer)
    answer = answer[order]
    each = pl.DataFrame({"answer": pl.Series(answer).set_sorted(), name: ids.gather(number[order])})
    found = each.group_by("answer", maintain_order=True).agg(name)
    where = np.full(len(rows), len(found))
    where[found["answer"].to_numpy()] = np.arange(len(found))
    return found[name].append(pl.Series(name, [[]], dtype=pl.List(pl.String))).gather(where)


def _spread(part: Listed, rows: Rows) -> tuple[Rows, Rows]:
    """(answer, number) of every event that an answer, by its place among `rows`, asks for."""
    asked = part.asked[rows]
    most = max(part.of.max(initial=NOWHERE), asked.max(initial=NOWHERE)) + 1
    order = stable(part.of)
    many = np.append(np.bincount(part.of, minlength=most), 0)  # one more, for NOWHERE, which is the last one
    start = np.cumsum(many) - many
    length = many[asked]
    answer = np.repeat(np.arange(len(asked)), length)
    within = np.arange(len(answer)) - np.repeat(np.cumsum(length) - length, length)
    return answer, part.number[order][start[asked][answer] + within]
