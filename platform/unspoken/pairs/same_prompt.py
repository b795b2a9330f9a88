"""Answers to one prompt that were given to different users, as soft pairs of the revealed family (science: §5).

p = Φ((m_j − m_k)/√(s_j² + s_k²)), by the mean and standard deviation of what each was worth to the user who got it.
Soft p is right here: no position differs. One's own siblings are not paired here: for them the chain speaks.
"""

from hashlib import blake2b

import numpy as np
import polars as pl
from scipy.special import ndtr

RULE = "same-prompt/1"
PARTNERS = 8  # of an answer, so that a prompt of n answers makes at most 4·n pairs


def same_prompt_pairs(labels: pl.DataFrame) -> pl.DataFrame:
    """prompt, prompt_key, chosen, rejected, user (null), people, p (½ … 1), weight, evidence, split.

    `labels`: message, prompt, prompt_key, user, people, split, mean, sd, evidence. Where a prompt has n answers each
    pair weighs 1/(n − 1); beyond nine each meets the eight next to it in a fixed circle, and a pair weighs 1/8.
    """
    group = ["prompt_key", "split"]
    known = labels.drop_nulls(["mean", "sd", "user", "split"]).filter(pl.len().over(group) > 1)
    place = [blake2b(message.encode(), digest_size=8).digest() for message in known["message"]]
    circle = (
        known.with_columns(pl.Series("place", place, dtype=pl.Binary))
        .sort(*group, "place")
        .with_columns(pl.len().cast(pl.Int64).over(group).alias("n"), pl.int_range(pl.len()).over(group).alias("at"))
    )
    reach = pl.when(pl.col("n") > PARTNERS + 1).then(PARTNERS // 2).otherwise(pl.col("n") - 1 - pl.col("at"))
    met = (
        circle.with_columns(pl.int_ranges(1, reach + 1).alias("step"))
        .explode("step", empty_as_null=False)
        .with_columns(((pl.col("at") + pl.col("step")) % pl.col("n")).alias("met"))
        .join(circle, left_on=[*group, "met"], right_on=[*group, "at"], suffix="_met")
        .filter(pl.col("user") != pl.col("user_met"))
    )
    apart = (met["mean"] - met["mean_met"]) / (met["sd"] ** 2 + met["sd_met"] ** 2).sqrt()
    p = ndtr(np.abs(apart.to_numpy()))
    met = met.with_columns(pl.Series("p", p, dtype=pl.Float64), pl.Series("ahead", apart >= 0, dtype=pl.Boolean))

    def of(name: str, ahead: bool) -> pl.Expr:
        return pl.when(pl.col("ahead") == ahead).then(name).otherwise(f"{name}_met")

    return met.select(
        of("prompt", True).alias("prompt"),
        "prompt_key",
        of("message", True).alias("chosen"),
        of("message", False).alias("rejected"),
        pl.lit(None, pl.String).alias("user"),
        pl.concat_list("people", "people_met").list.unique().list.sort().alias("people"),
        "p",
        (1 / pl.min_horizontal(pl.col("n") - 1, PARTNERS)).alias("weight"),
        pl.concat_list("evidence", "evidence_met").list.unique().list.sort().alias("evidence"),
        "split",
    ).sort("chosen", "rejected")
