"""NeMo-RL: a context and exactly two completions, the lower rank preferred."""

import polars as pl

from unspoken.pairs.formats.format import PAIR_LINEAGE, Format, assistant


def _shape(pairs: pl.DataFrame) -> pl.DataFrame:
    ranked = [
        pl.struct(pl.lit(rank).alias("rank"), assistant(text).alias("completion"))
        for rank, text in enumerate(("chosen_text", "rejected_text"))
    ]
    return pairs.select(
        pl.col("turns").alias("context"),
        pl.concat_list(ranked).alias("completions"),
        *PAIR_LINEAGE,
    )


NEMO_RL = Format("nemo-rl", "NeMo-RL reward model and DPO: pairs", ("context", "completions"), _shape)
