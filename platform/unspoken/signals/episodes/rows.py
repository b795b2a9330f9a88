"""Messages and events each once and in order, and what is asked of rows."""

import numpy as np
import polars as pl

from unspoken.signals.tree import Rows

NOWHERE = -1
NULL = np.iinfo(np.int64).min  # what stands for null in an array of numbers


def once(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Of each id in column `name` the first row."""
    hashes = np.sort(frame[name].hash().to_numpy())
    # No hash twice is no id twice.
    if (hashes[1:] != hashes[:-1]).all():
        return frame
    return frame.unique(name, keep="first", maintain_order=True)


def talks(*frames: pl.DataFrame) -> list[Rows]:
    """For each frame the numbers of its rows' conversations, in the order of their names and the same in all."""
    runs = [frame["conversation"].rle().struct.unnest() for frame in frames]
    number = pl.concat(run["value"] for run in runs).rank("dense").cast(pl.Int64).to_numpy()
    each = np.split(number, np.cumsum([len(run) for run in runs])[:-1])
    return [np.repeat(numbers, run["len"].to_numpy()) for numbers, run in zip(each, runs, strict=True)]


def in_order(frame: pl.DataFrame, name: str, talk: Rows) -> Rows:
    """Where the rows stand by conversation (`talk`: its number), time and id (column `name`, none twice)."""
    at = microseconds(frame["at"])
    order = by_both(talk, at)
    sorted_talk, sorted_at = talk[order], at[order]
    same = (sorted_talk[1:] == sorted_talk[:-1]) & (sorted_at[1:] == sorted_at[:-1])
    names = frame[name]
    # The ids decide, and text is compared where it has to be.
    if not (names.gather(order[:-1][same]) < names.gather(order[1:][same])).all():
        tied = np.append(same, False) | np.append(False, same)
        those = order[tied]
        rank = names.gather(those).rank("dense").to_numpy()
        order[tied] = those[np.lexsort((rank, at[those], talk[those]))]
    return order


def by_both(first: Rows, then: Rows) -> Rows:
    """As np.lexsort((then, first)), `first` from 0 on."""
    if not len(then):
        return np.arange(0)
    least = int(then.min())
    span = int(then.max()) - least + 1
    if span * (int(first.max()) + 1) > np.iinfo(np.int64).max:
        return np.lexsort((then, first))
    # In one number, which takes next to no time where they are in order but for a few, as they are out of two files.
    return np.argsort(first * span + (then - least), kind="stable")


def named(rows: Rows, count: int) -> tuple[Rows, Rows]:
    """The rows, of `count`, that are in `rows`, in order; and where each row stands among them, NOWHERE for others."""
    there = np.zeros(count + 1, dtype=np.bool_)  # one more, for NOWHERE, which is the last one
    there[rows] = True
    each = np.flatnonzero(there[:-1])
    place = np.full(count + 1, NOWHERE)
    place[each] = np.arange(len(each))
    return each, place


def stable(key: Rows) -> Rows:
    """As np.argsort(key, kind="stable") of small numbers from 0 on, many times faster: made unique, they are sorted."""
    bits = len(key).bit_length()
    return np.sort(key << bits | np.arange(len(key))) & ((1 << bits) - 1)


def numbered(names: pl.Series) -> Rows:
    """A number from 0 on for each name; NOWHERE for null."""
    runs = names.rle().struct.unnest()
    each = runs["value"].cast(pl.Categorical(pl.Categories.random())).to_physical().cast(pl.Int64).fill_null(NOWHERE)
    return np.repeat(each.to_numpy(), runs["len"].to_numpy())


def microseconds(times: pl.Series) -> Rows:
    """Times as numbers. No nulls."""
    return times.to_physical().to_numpy()


def taken(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """These rows of a frame, in this order; nulls for NOWHERE."""
    there = rows != NOWHERE
    if not there.any():
        return frame.clear(len(rows))
    if there.all():
        return frame.select(pl.all().gather(rows))
    # By numbers with nulls among them it would take twice as long.
    return frame.select(pl.when(pl.Series(there)).then(pl.all().gather(np.where(there, rows, 0))))
