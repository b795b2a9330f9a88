"""verl: Parquet of three texts. Its RMDataset tokenises the prompt as it is and puts each answer right behind it."""

import polars as pl

from unspoken.pairs.formats.format import PAIR_LINEAGE, Format


def _shape(pairs: pl.DataFrame) -> pl.DataFrame:
    prompt = pl.col("turns").list.last().struct.field("content").alias("prompt")
    chosen, rejected = pl.col("chosen_text").alias("chosen"), pl.col("rejected_text").alias("rejected")
    return pairs.select(prompt, chosen, rejected, *PAIR_LINEAGE)


VERL = Format(
    "verl",
    "verl reward model: pairs as plain texts",
    ("prompt", "chosen", "rejected"),
    _shape,
    suffix="parquet",
    cannot=(("more than one turn, or a system text", pl.col("roles") != "user"),),
)
