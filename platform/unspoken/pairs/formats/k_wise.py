"""k-wise: the chosen answer and all that it was preferred to in one row, ranks from 1; equal ranks are not compared."""

import polars as pl

from unspoken.pairs.formats.format import Format


def _shape(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row of each chosen answer, family, rule and user: pairs of two users never meet in one ranking."""

    def ranked(text: str, rank: int) -> pl.Expr:
        return pl.struct(pl.col(text).alias("answer"), pl.lit(rank).alias("rank"))

    alike = ["chosen_message", "family", "rule", "user"]
    return (
        pairs.group_by(alike, maintain_order=True)
        .agg(
            pl.col("turns").first().alias("prompt"),
            ranked("chosen_text", 1).first().alias("best"),
            ranked("rejected_text", 2).alias("others"),
            "p",
            "weight",
            pl.col("rejected_message").alias("rejected_messages"),
        )
        .select(
            "prompt",
            pl.concat_list(pl.concat_list("best"), "others").alias("answers"),
            "family",
            "rule",
            "p",
            "weight",
            "chosen_message",
            "rejected_messages",
        )
    )


K_WISE = Format("k-wise", "rankings: a prompt and its answers with ranks", ("prompt", "answers"), _shape)
