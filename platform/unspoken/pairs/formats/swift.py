"""ms-swift: `messages` ends with the chosen answer, the rejected one stands beside it."""

import polars as pl

from unspoken.pairs.formats.format import PAIR_LINEAGE, Format, assistant


def _shape(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        pl.concat_list("turns", assistant("chosen_text")).alias("messages"),
        pl.col("rejected_text").alias("rejected_response"),
        "margin",
        *PAIR_LINEAGE,
    )


SWIFT = Format(
    "ms-swift",
    "ms-swift reward model: pairs with a margin",
    ("messages", "rejected_response", "margin"),
    _shape,
    holds_margin=True,
)
