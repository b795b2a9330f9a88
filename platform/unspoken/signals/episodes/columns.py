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
    """Events (their numbers, NOWHERE for one that never came) and what each speaks of (`of`), in their order.

    `asked`: by row of the message, of what it wants the events; NOWHERE for nothing.
    """

    of: Rows
    number: Rows
    asked: Rows


def lists(parts: Sequence[Listed], rows: Rows, ids: pl.Series, name: str) -> pl.Series:
    """For the messages at these rows the ids of the events of all parts, one part after the other."""
    many = [np.append(np.bincount(part.of, minlength=int(part.asked.max()) + 1), 0) for part in parts]
    lengths = [each[part.asked[rows]] for part, each in zip(parts, many, strict=True)]
    # Whoever has none gets one that is nothing: so each has its list, and no list has to be put in its place.
    size = np.maximum(sum(lengths), 1)
    numbers, start = np.full(size.sum(), NOWHERE), np.cumsum(size) - size
    for part, each, length in zip(parts, many, lengths, strict=True):
        place, before = np.arange(length.sum()), np.cumsum(length) - length
        first = (np.cumsum(each) - each)[part.asked[rows]]
        found = part.number[stable(part.of)][place + np.repeat(first - before, length)]
        numbers[place + np.repeat(start - before, length)] = found
        start += length
    answer = pl.Series(np.repeat(np.arange(len(rows)), size)).set_sorted()
    listed = taken(ids.alias(name).to_frame(), numbers).with_columns(answer=answer)
    return listed.group_by("answer", maintain_order=True).agg(pl.col(name).drop_nulls())[name]
