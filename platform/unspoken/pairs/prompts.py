"""Which prompts are one prompt, what they are about, and on which side of the split each answer stands."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from unspoken.pairs.near import clusters
from unspoken.pairs.recipe import Recipe
from unspoken.pairs.split import prompt_sides, with_split
from unspoken.signals.topics import topics

TextOf = Callable[[Sequence[str]], Mapping[str, str]]
CHARS = 2_000  # of a prompt: by then it is clear what it is about, and whether another is the same
_AT_ONCE = 10_000
NOBODY = "nobody is known to have been answered"
BOTH_SIDES = "its people stand on both sides of the split"
OTHER_SIDE = "its prompt stands on the other side of the split"


def openings(units: pl.DataFrame, text_of: TextOf) -> pl.DataFrame:
    """prompt_key, opening_key, text of the prompts that open a conversation, sorted by key.

    Later prompts are left alone: what stands before them holds answers, whose text nothing here may read.
    """
    first = (
        units.filter((pl.col("turn") == 0) & pl.col("prompt").is_not_null())
        .group_by("prompt_key")
        .agg(
            pl.col("prompt").min(),
            pl.when(pl.col("root_role") == "system").then("root_key").min().alias("opening_key"),
        )
        .sort("prompt_key")
    )
    texts: list[str] = []
    for some in first.iter_slices(_AT_ONCE):
        found = text_of(some["prompt"].to_list())
        texts += [found.get(prompt, "")[:CHARS] for prompt in some["prompt"]]
    return first.select("prompt_key", "opening_key", pl.Series("text", texts, dtype=pl.String)).filter(
        pl.col("text").str.strip_chars() != ""
    )


def with_topics(units: pl.DataFrame, opening: pl.DataFrame) -> pl.DataFrame:
    """The units with `topic` of the prompt that opened their path, where the chatbot named none at all."""
    if units["topic"].null_count() < len(units) or opening.is_empty():
        return units
    named = opening.select("prompt_key", pl.Series("topic", topics(opening["text"].to_list(), len(units))))
    by_root = (
        units.filter(pl.col("turn") == 0)
        .join(named, on="prompt_key", suffix="_named")
        .group_by("root")
        .agg(pl.col("topic_named").min().alias("named"))
    )
    topic = units.select("root").join(by_root, on="root", how="left", maintain_order="left")["named"]
    return units.with_columns(topic.alias("topic"))


def places(units: pl.DataFrame, opening: pl.DataFrame | None, recipe: Recipe) -> pl.DataFrame:
    """message, prompt_key, asked, people, split, left_out: whose exchange it was, and why it stands on no side.

    `prompt_key` is one for all prompts that are the same but for details (see unspoken.pairs.near).
    """
    key = "root_key" if recipe.same_prompt == "opening" else "prompt_key"
    whose = units.select(
        "message",
        pl.col(key).alias("prompt_key"),
        pl.col("user").alias("asked"),
        pl.concat_list("user", "author").list.drop_nulls().list.unique().list.sort().alias("people"),
    )
    if opening is not None and recipe.same_prompt == "path" and len(opening):
        one = opening.with_columns(pl.Series("cluster", clusters(opening["text"].to_list()))).select(
            "prompt_key", pl.col("prompt_key").min().over("cluster", "opening_key").alias("same")
        )
        whose = whose.join(one, on="prompt_key", how="left", maintain_order="left").with_columns(
            pl.coalesce("same", "prompt_key").alias("prompt_key")
        )
    known = pl.col("people").list.len() > 0
    placed = with_split(whose, recipe.salt, recipe.test_share)
    if recipe.prompts_apart:
        sides = prompt_sides(placed.filter(known).select("prompt_key", "people"), recipe.salt, recipe.test_share)
        placed = placed.join(sides, on="prompt_key", how="left", maintain_order="left")
    else:
        placed = placed.with_columns(pl.col("split").alias("prompt_side"))
    left_out = (
        pl.when(~known)
        .then(pl.lit(NOBODY))
        .when(pl.col("split").is_null())
        .then(pl.lit(BOTH_SIDES))
        .when(pl.col("split") != pl.col("prompt_side"))
        .then(pl.lit(OTHER_SIDE))
    )
    return placed.with_columns(left_out.alias("left_out")).select(
        "message", "prompt_key", "asked", "people", "split", "left_out"
    )
