"""Parquet: every record as it is, with soft p, margin, weight, rule, evidence and split, and its texts."""

import polars as pl

from unspoken.pairs.formats.format import Format


def _shape(records: pl.DataFrame) -> pl.DataFrame:
    texts = {"turns": "prompt", "prompt": "prompt_message", "text": "answer"}
    said = records.rename({"chosen_text": "chosen", "rejected_text": "rejected", **texts}, strict=False)
    return said.drop("roles", "same_turns", strict=False)


PARQUET = Format(
    "parquet",
    "Parquet: pairs and single answers as they are, with soft p, margin, weight, evidence and split",
    ("prompt", "chosen", "rejected", "answer", "p", "margin", "weight", "rule", "evidence", "split"),
    _shape,
    units=("pairs", "unpaired"),
    holds_margin=True,
    holds_p=True,
    holds_any_text=True,
    suffix="parquet",
)
