"""TRL: RewardTrainer, DPOTrainer and KTOTrainer, conversational and with the prompt said apart."""

import polars as pl

from unspoken.pairs.formats.format import PAIR_LINEAGE, UNPAIRED_LINEAGE, Format, assistant


def preference(pairs: pl.DataFrame) -> pl.DataFrame:
    """prompt, chosen, rejected as lists of {role, content}; margin."""
    chosen, rejected = assistant("chosen_text").alias("chosen"), assistant("rejected_text").alias("rejected")
    return pairs.select(pl.col("turns").alias("prompt"), chosen, rejected, "margin", *PAIR_LINEAGE)


def _dpo(pairs: pl.DataFrame) -> pl.DataFrame:
    return preference(pairs).drop("margin")


def _kto(unpaired: pl.DataFrame) -> pl.DataFrame:
    completion, label = assistant("text").alias("completion"), (pl.col("p") >= 0.5).alias("label")
    return unpaired.select(pl.col("turns").alias("prompt"), completion, label, *UNPAIRED_LINEAGE)


REWARD = Format(
    "trl-reward",
    "TRL RewardTrainer: pairs with a margin",
    ("prompt", "chosen", "rejected", "margin"),
    preference,
    holds_margin=True,
)
DPO = Format("trl-dpo", "TRL DPOTrainer: pairs", ("prompt", "chosen", "rejected"), _dpo)
KTO = Format(
    "trl-kto",
    "TRL KTOTrainer: single answers, good or not",
    ("prompt", "completion", "label"),
    _kto,
    units=("unpaired",),
)
