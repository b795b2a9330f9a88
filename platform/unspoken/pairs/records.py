"""From labels to what is trained on: pairs and unpaired, each on its side of the split and with its weight."""

import polars as pl

from unspoken.frames import PAIRS, UNPAIRED, check
from unspoken.pairs import stated
from unspoken.pairs.funnel import Funnel
from unspoken.pairs.prompts import BOTH_SIDES, NOBODY, OTHER_SIDE
from unspoken.pairs.recipe import Recipe
from unspoken.pairs.same_prompt import RULE as SAME_PROMPT
from unspoken.pairs.same_prompt import same_prompt_pairs

CUT_SHORT = "the answer was cut short, so it was not judged as a whole"
_LEFT_OUT = [(reason, pl.col("left_out") == reason) for reason in (NOBODY, BOTH_SIDES, OTHER_SIDE)]


def votes_that_count(labels: pl.DataFrame, weights: pl.DataFrame, funnel: Funnel) -> pl.DataFrame:
    """Labels by votes that have a weight (see unspoken.pairs.votes); stated labels of other rules as they are."""
    if not (labels["rule"] == stated.VOTE_RULE).any():
        return labels
    known = labels.join(weights, on="message", how="left", maintain_order="left")
    return funnel.keep("stated: votes that count", known, [(CUT_SHORT, pl.col("weight").is_null())]).drop("weight")


def vote_pairs(units: pl.DataFrame, weights: pl.DataFrame, funnel: Funnel) -> pl.DataFrame:
    """stated.vote_pairs, weighing also as the mean of their two votes."""
    pairs = resting(stated.vote_pairs(units), units, "stated_evidence")
    for side in ("chosen", "rejected"):
        weight = weights.select(pl.col("message").alias(side), pl.col("weight").alias(f"of_{side}"))
        pairs = pairs.join(weight, on=side, how="left")
    both = (pl.col("of_chosen") + pl.col("of_rejected")) / 2
    if len(pairs):
        pairs = funnel.keep("stated: up and down among siblings", pairs, [(CUT_SHORT, both.is_null())])
    return pairs.with_columns(pl.col("weight") * both).drop("of_chosen", "of_rejected")


def resting(pairs: pl.DataFrame, units: pl.DataFrame, on: str) -> pl.DataFrame:
    """The pairs with their evidence: the events, in column `on` of the units, that speak of either answer."""
    for side in ("chosen", "rejected"):
        own = units.select(pl.col("message").alias(side), pl.col(on).alias(f"by_{side}"))
        pairs = pairs.join(own, on=side, how="left", maintain_order="left")
    both = pl.concat_list("by_chosen", "by_rejected").list.sort()
    return pairs.with_columns(both.alias("evidence")).drop("by_chosen", "by_rejected")


def own_pairs(found: pl.DataFrame, places: pl.DataFrame, recipe: Recipe, funnel: Funnel) -> pl.DataFrame:
    """frames.PAIRS of answers that one user got to one prompt; `found` lacks user, people, prompt_key and split."""
    placed = found.join(places, left_on="chosen", right_on="message", how="left").rename({"asked": "user"})
    kept = funnel.keep("pairs", placed, _LEFT_OUT)
    capped = pl.when(pl.col("rule") == stated.VOTE_PAIR_RULE).then(1.0).otherwise(_cap(recipe))
    return check(kept.with_columns(pl.col("weight") * capped), PAIRS, "pairs")


def unpaired(
    labels: pl.DataFrame, places: pl.DataFrame, pairs: pl.DataFrame, weights: pl.DataFrame, recipe: Recipe,
    funnel: Funnel,
) -> pl.DataFrame:  # fmt: skip
    """frames.UNPAIRED of every family. A vote that speaks in a pair does not speak again alone."""
    in_pairs = pairs.filter(pl.col("rule") == stated.VOTE_PAIR_RULE)
    paired = pl.concat([in_pairs["chosen"], in_pairs["rejected"]]).unique().implode()
    spoken = (pl.col("rule") == stated.VOTE_RULE) & pl.col("message").is_in(paired)
    bare = labels.drop("mean", "sd", "moved")
    alone = funnel.keep("unpaired labels", bare, [("its vote already speaks in a pair", spoken)])
    placed = alone.join(places, on="message", how="left", maintain_order="left")
    kept = funnel.keep("unpaired labels: on one side", placed, _LEFT_OUT)
    kept = kept.join(weights, on="message", how="left", maintain_order="left")
    weight = pl.when(pl.col("rule") == stated.VOTE_RULE).then("weight").otherwise(_cap(recipe)).alias("weight")
    return check(kept.with_columns(weight).sort("family", "message"), UNPAIRED, "unpaired")


def pairs_of_strangers(alone: pl.DataFrame, labels: pl.DataFrame, units: pl.DataFrame, funnel: Funnel) -> pl.DataFrame:
    """frames.PAIRS of answers to one prompt given to different users; none where labels have no mean and deviation."""
    revealed = alone.filter(pl.col("family") == "revealed")
    told = labels.filter((pl.col("family") == "revealed") & pl.col("mean").is_not_null())
    known = revealed.join(told.select("message", "mean", "sd"), on="message", maintain_order="left").join(
        units.select("message", "prompt"), on="message", maintain_order="left"
    )
    found = same_prompt_pairs(known)
    if len(known):
        met = pl.concat([found["chosen"], found["rejected"]]).n_unique()
        lone = [("no other user got an answer to its prompt", len(known) - met)]
        funnel.step("revealed: answers to prompts of several users", len(known), met, lone)
    # As much as the less of its two answers weighs alone: so a pair, too, keeps a user within their cap.
    for side in ("chosen", "rejected"):
        own = revealed.select(pl.col("message").alias(side), pl.col("weight").alias(f"of_{side}"))
        found = found.join(own, on=side, maintain_order="left")
    least = pl.min_horizontal("of_chosen", "of_rejected")
    return check(
        found.with_columns(
            pl.col("weight") * least,
            pl.lit("revealed").alias("family"),
            pl.lit(SAME_PROMPT).alias("rule"),
            pl.lit(0.0).alias("margin"),
        ),
        PAIRS,
        "pairs",
    )


def _cap(recipe: Recipe) -> pl.Expr:
    """What each record of a user weighs, so that no user counts for more than `recipe.user_cap` records of a family."""
    owner = pl.coalesce("user", pl.col("people").list.join("+"))
    return pl.min_horizontal(pl.lit(1.0), recipe.user_cap / pl.len().over("family", owner))
