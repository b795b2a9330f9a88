"""Which side of a split a record stands on: no person and no prompt stands on two.

A person's side is a hash of theirs, for ever. A prompt that was asked from one side alone stands there, which is nearly
every prompt of a real chatbot; one that was asked from both stands on the side of its own hash, and what people of the
other side did with it is left out. Where every prompt is everybody's and a share t of people is held out, a share
2·t·(1 − t) is lost so, .42 at t = .3: holding out what hangs together would hold out all of it, and the larger side of
each prompt would leave none to evaluate on.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

import polars as pl


@lru_cache(maxsize=65_536)
def place(person: str, salt: str) -> float:
    """A person's fixed place in [0, 1), from a salted hash: the same person and salt always give the same place."""
    return int.from_bytes(blake2b(f"{salt}\x00{person}".encode(), digest_size=8).digest()) / 2**64


def side(people: Iterable[str], salt: str, test_share: float) -> str | None:
    """train, test, or None when its people stand on both sides. A record of nobody trains."""
    sides = {"test" if place(person, salt) < test_share else "train" for person in people}
    if len(sides) > 1:
        return None
    return sides.pop() if sides else "train"


def with_split(records: pl.DataFrame, salt: str, test_share: float) -> pl.DataFrame:
    """Adds `split` from `people`; null where they stand on both sides."""
    people = records["people"].cast(pl.List(pl.String))
    known = people.explode().drop_nulls().unique()
    held_out = known.filter(pl.Series([place(person, salt) < test_share for person in known], dtype=pl.Boolean))
    tests = people.list.eval(pl.element().is_in(held_out.implode())).list.sum().fill_null(0)
    return records.with_columns(
        pl.when(tests == 0).then(pl.lit("train")).when(tests == people.list.len()).then(pl.lit("test")).alias("split")
    )


def prompt_sides(asked: pl.DataFrame, salt: str, test_share: float) -> pl.DataFrame:
    """prompt_key, prompt_side from prompt_key, people of all that was answered; people on both sides decide nothing."""
    sides = with_split(asked, salt, test_share).drop_nulls("split").group_by("prompt_key").agg(pl.col("split").unique())
    decided = [
        split[0] if len(split) == 1 else side([key], f"{salt}/prompts", test_share) for key, split in sides.iter_rows()
    ]
    return sides.select("prompt_key", pl.Series("prompt_side", decided, dtype=pl.String))
