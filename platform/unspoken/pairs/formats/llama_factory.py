"""LLaMA-Factory: ShareGPT turns, ranking and KTO, with the dataset_info.json that names the files."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import polars as pl

from unspoken.pairs.formats.format import PAIR_LINEAGE, UNPAIRED_LINEAGE, Format

_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
# The loader wants people and machines in turns, a person first and last; what is otherwise it skips.
_IN_TURNS = r"^(system )?user( assistant user)*$"
_CANNOT = (("turns that do not alternate between user and assistant", ~pl.col("roles").str.contains(_IN_TURNS)),)


def _ranking(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        _turns().alias("conversations"),
        _said_by("gpt", pl.col("chosen_text")).alias("chosen"),
        _said_by("gpt", pl.col("rejected_text")).alias("rejected"),
        *PAIR_LINEAGE,
    )


def _kto(unpaired: pl.DataFrame) -> pl.DataFrame:
    answer = pl.concat_list(_said_by("gpt", pl.col("text")))
    return unpaired.select(
        pl.concat_list(_turns(), answer).alias("conversations"),
        (pl.col("p") >= 0.5).alias("kto_tag"),
        *UNPAIRED_LINEAGE,
    )


def _turns() -> pl.Expr:
    speaker = pl.element().struct.field("role").replace_strict(_SPEAKERS)
    return pl.col("turns").list.eval(_said_by(speaker, pl.element().struct.field("content")))


def _said_by(speaker: pl.Expr | str, text: pl.Expr) -> pl.Expr:
    who = pl.lit(speaker) if isinstance(speaker, str) else speaker
    return pl.struct(who.alias("from"), text.alias("value"))


def _index(columns: tuple[str, ...], ranking: bool, files: Sequence[str]) -> dict[str, Any]:
    """dataset_info.json: each file under a name of its own, with what its columns are."""
    messages, *others = columns
    about: dict[str, Any] = {"formatting": "sharegpt", **({"ranking": True} if ranking else {})}
    about |= {"columns": {"messages": messages} | {name: name for name in others}}
    return {f"unspoken-{file.removesuffix('.jsonl')}": {"file_name": file, **about} for file in files}


_RANKING_COLUMNS, _KTO_COLUMNS = ("conversations", "chosen", "rejected"), ("conversations", "kto_tag")

RANKING = Format(
    "llama-factory",
    "LLaMA-Factory ranking (reward model, DPO), with dataset_info.json: pairs",
    _RANKING_COLUMNS,
    _ranking,
    cannot=_CANNOT,
    index=partial(_index, _RANKING_COLUMNS, True),
)
KTO = Format(
    "llama-factory-kto",
    "LLaMA-Factory KTO, with dataset_info.json: single answers, good or not",
    _KTO_COLUMNS,
    _kto,
    units=("unpaired",),
    cannot=_CANNOT,
    index=partial(_index, _KTO_COLUMNS, False),
)
