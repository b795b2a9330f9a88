"""What a format is: a shape for records, what the trainer behind it reads, and what it cannot hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

Unit = Literal["pairs", "unpaired"]
Rule = tuple[str, pl.Expr]  # a reason, and which records it drops

# What every row says beside what its trainer reads: trainers pass over columns that they do not know.
PAIR_LINEAGE = ("family", "rule", "p", "weight", "chosen_message", "rejected_message")
UNPAIRED_LINEAGE = ("family", "rule", "p", "weight", "message")


@dataclass(frozen=True)
class Format:
    """One way to write records for one trainer.

    `shape` is a pure function from records (see records.py) to rows. `columns` are those that the trainer reads;
    `cannot` names the records that it has no place for.
    """

    name: str
    says: str  # one line, for help
    columns: tuple[str, ...]
    shape: Callable[[pl.DataFrame], pl.DataFrame]
    units: tuple[Unit, ...] = ("pairs",)
    holds_margin: bool = False
    holds_p: bool = False  # and the weight: a format of soft labels weighs them too
    holds_any_text: bool = False  # records come as they are, those without text too
    suffix: Literal["jsonl", "parquet"] = "jsonl"
    cannot: Sequence[Rule] = ()
    index: Callable[[Sequence[str]], dict[str, Any]] | None = None  # of the files' names: what dataset_info.json says


def assistant(column: str) -> pl.Expr:
    """An answer as a conversation of one turn: [{role, content}]."""
    return pl.concat_list(turn(column))


def turn(column: str) -> pl.Expr:
    """An answer as one turn: {role, content}."""
    return pl.struct(pl.lit("assistant").alias("role"), pl.col(column).alias("content"))
