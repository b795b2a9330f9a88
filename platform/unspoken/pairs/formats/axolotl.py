"""Axolotl: reward models (bradley_terry.chat_template, one turn) and DPO (chat_template.default)."""

import polars as pl

from unspoken.pairs.formats.format import PAIR_LINEAGE, Format, turn


def _reward(pairs: pl.DataFrame) -> pl.DataFrame:
    """`system` stands in every row, empty where there is none: the loader asks for it by name."""
    first, last = (pl.col("turns").list.get(at).struct.field("content") for at in (0, -1))
    system = pl.when(pl.col("roles") == "system user").then(first).otherwise(pl.lit(""))
    return pairs.select(
        system.alias("system"),
        last.alias("input"),
        pl.col("chosen_text").alias("chosen"),
        pl.col("rejected_text").alias("rejected"),
        *PAIR_LINEAGE,
    )


def _dpo(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        pl.col("turns").alias("messages"),
        turn("chosen_text").alias("chosen"),
        turn("rejected_text").alias("rejected"),
        *PAIR_LINEAGE,
    )


REWARD = Format(
    "axolotl-rm",
    "Axolotl reward model, bradley_terry.chat_template: pairs of one turn",
    ("system", "input", "chosen", "rejected"),
    _reward,
    cannot=(("more than one turn", ~pl.col("roles").is_in(["user", "system user"])),),
)
DPO = Format("axolotl-dpo", "Axolotl DPO, chat_template.default: pairs", ("messages", "chosen", "rejected"), _dpo)
