"""What is made of each conversation alone, kept beside the segments: made once, then only where something has come.

Conversations stand in ranges, each with Parquet files of its own: one of each table that is made, sorted by
conversation. While segments change, they note whose rows are not right any more; who asks for the tables next has these
conversations made anew, alone, and put in place of the old rows. What the tables say is not known here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from msgspec.structs import replace

from unspoken.store.ahead import ahead
from unspoken.store.sealed import Manifest, Range, synced

GROWN = (
    2  # a range with more cuts inside is parted there; with so many times the ranges that are needed, all are made anew
)
TALK = pl.col("conversation")
Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Some:
    """Conversations for which this `holds`: none stands before `first`, or after `last` (None: there is no last)."""

    holds: pl.Expr
    first: str
    last: str | None


Make = Callable[[Some], Tables]


def brought_up(
    folder: Path, kept: Manifest, made_by: str, cuts: Sequence[str], make: Make, say: Callable[[int, int], None]
) -> Manifest:
    """The manifest with every conversation's rows up to date, to be published.

    Ranges are parted at `cuts`. What was made by another program than `made_by` is made anew.
    `say` is told which range of how many is looked at, and may raise.
    """
    stale = _stale(folder, kept)
    ranges = _ranges(kept.ranges if kept.made_by == made_by else [], cuts)
    ends = [*(each.start for each in ranges[1:]), None]
    calls = (partial(_renewed, folder, each, end, stale, make) for each, end in zip(ranges, ends, strict=True))
    after = replace(kept, made_by=made_by, stale=None, ranges=[])
    with closing(ahead(calls)) as found:  # nobody reads on when this was given up
        for number, each in enumerate(ranges):
            say(number + 1, len(ranges))
            tables = next(found)
            if tables is None:
                after = replace(after, ranges=[*after.ranges, each])
            else:
                after = _written(folder, after, each.start, tables)
    return after


def _renewed(folder: Path, each: Range, end: str | None, stale: pl.Series, make: Make) -> Tables | None:
    """The tables of a range as they should be; None where they are so already."""
    if not each.files:
        from_here = TALK.ge(each.start)
        return make(Some(from_here if end is None else from_here & TALK.lt(end), each.start, end))
    names = stale[stale.search_sorted(each.start) : len(stale) if end is None else stale.search_sorted(end)]
    if names.is_empty():
        return None
    first, last = names[0], names[-1]
    fresh = make(Some(TALK.is_between(pl.lit(first), pl.lit(last)) & TALK.is_in(names.implode()), first, last))
    rows = _without(folder, each, names)
    return {name: pl.concat([rows[name], fresh[name]]).sort("conversation", maintain_order=True) for name in fresh}


def out_of_date(folder: Path, kept: Manifest, names: pl.Series) -> Manifest:
    """The manifest after it was noted that rows of these conversations are not right any more."""
    if not kept.ranges or names.is_empty():
        return kept
    return _noted(folder, kept, pl.concat([_stale(folder, kept), names]))


def taken_out(folder: Path, kept: Manifest, names: pl.Series, left: pl.Series) -> Manifest:
    """The manifest after all rows of `names` were removed. Of `left`, some of them, there is something to make anew."""
    if not kept.ranges or names.is_empty():
        return kept
    stale = _stale(folder, kept)
    after = _noted(folder, kept, pl.concat([stale.filter(~stale.is_in(names.implode())), left]))
    starts = [each.start for each in kept.ranges]
    touched = {bisect_right(starts, name) - 1 for name in names.unique()}
    after = replace(after, ranges=[])
    for number, each in enumerate(kept.ranges):
        if number in touched:
            after = _written(folder, after, each.start, _without(folder, each, names))
        else:
            after = replace(after, ranges=[*after.ranges, each])
    return after


def _noted(folder: Path, kept: Manifest, names: pl.Series) -> Manifest:
    file = f"stale-{kept.made}.parquet"
    names.unique().sort().to_frame("conversation").write_parquet(folder / file)
    synced(folder / file)
    return replace(kept, stale=file, made=kept.made + 1)


def _ranges(kept: Sequence[Range], cuts: Sequence[str]) -> list[Range]:
    """Where each range begins, with its files where they can be used."""
    anew = [Range(start) for start in ("", *cuts)]
    if not kept or len(kept) > GROWN * len(anew):
        return anew
    ranges = []
    for each, end in zip(kept, [*(each.start for each in kept[1:]), None], strict=True):
        inside = cuts[bisect_right(cuts, each.start) : len(cuts) if end is None else bisect_left(cuts, end)]
        parted = len(inside) > GROWN
        ranges += [Range(each.start), *map(Range, inside)] if parted else [each]
    return ranges


def _stale(folder: Path, kept: Manifest) -> pl.Series:
    """Sorted."""
    if kept.stale is None:
        return pl.Series("conversation", dtype=pl.String)
    return pl.read_parquet(folder / kept.stale)["conversation"]


def _without(folder: Path, each: Range, names: pl.Series) -> Tables:
    gone = TALK.is_in(names.implode())
    return {name: pl.read_parquet(folder / file).filter(~gone) for name, file in each.files.items()}


def _written(folder: Path, after: Manifest, start: str, tables: Tables) -> Manifest:
    files = {name: f"{name}-{after.made + place}.parquet" for place, name in enumerate(tables)}
    for name, file in files.items():
        # Packed it would be a quarter smaller, most of it being ids, and take half as long again to write.
        tables[name].write_parquet(folder / file, compression="uncompressed", statistics=False)
        synced(folder / file)
    return replace(after, ranges=[*after.ranges, Range(start, files)], made=after.made + len(files))
