"""What a trainer will meet in an export's records: rules, lengths, and who they are from."""

from typing import Any

import polars as pl

from unspoken.pairs.formats.format import Unit

QUANTILES = (0.5, 0.95, 0.99, 1.0)
CHARS_PER_TOKEN = 4  # of English prose with usual tokenizers; code and other scripts take more tokens
TOKENS = (512, 1024, 2048, 4096)


def described(unit: Unit, held: pl.DataFrame) -> dict[str, Any]:
    """Of one family's records, at least one.

    `rules`: rule, records, their weight, p's mean. `chars`: of the prompt's turns and of each answer, at QUANTILES.
    `over`: the share of records whose prompt and longer answer are over each of TOKENS, by four characters per token.
    `people`: how many are in the records, and `most`: the share of the records, and of their weight, of the one who is
    in most of them. Pairs: `longer_chosen`, the share whose longer answer is the chosen one, equal lengths counting
    half, and `other_turns`, how many join answers to two prompts.
    """
    answers = ("text",) if unit == "unpaired" else ("chosen_text", "rejected_text")
    said = pl.col("turns").list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()
    sizes = held.select(
        pl.coalesce(said, 0).alias("prompt"), *(pl.col(answer).str.len_chars().fill_null(0) for answer in answers)
    )
    whole = pl.col("prompt") + pl.max_horizontal(answers)
    weight = pl.col("weight").sum()
    by_rule = held.group_by("rule").agg(pl.len().alias("records"), weight, pl.col("p").mean()).sort("rule")
    persons = held.explode("people").drop_nulls("people").group_by("people").agg(pl.len(), weight)
    most = persons.select(pl.col("len").max() / len(held), pl.col("weight").max() / (held["weight"].sum() or 1.0))
    about = {
        "family": held["family"][0],
        "unit": unit,
        # Rounded, because the last bits of a sum go by the number of threads.
        "rules": by_rule.with_columns(pl.col("weight", "p").round(6)).to_dicts(),
        "chars": {
            name.removesuffix("_text"): [int(sizes[name].quantile(at, "higher") or 0) for at in QUANTILES]
            for name in sizes.columns
        },
        "over": [float(sizes.select((whole > CHARS_PER_TOKEN * most).mean()).item()) for most in TOKENS],
        "people": len(persons),
        "most": [round(share or 0.0, 6) for share in most.row(0)],
    }
    if unit == "pairs":
        wins = (pl.col("chosen_text") - pl.col("rejected_text")).sign()
        longer = sizes.cast(pl.Int64).select(((wins + 1) / 2).mean()).item()
        about |= {"longer_chosen": float(longer), "other_turns": int((~held["same_turns"]).sum())}
    return about
