"""Which side of a split a record stands on: decided by its people alone, so that nobody stands on two."""

from collections.abc import Iterable
from hashlib import blake2b

import polars as pl


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
    sides = [side(people or (), salt, test_share) for people in records["people"].to_list()]
    return records.with_columns(pl.Series("split", sides, dtype=pl.String))
