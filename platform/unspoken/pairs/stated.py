"""The stated family: votes, ratings, side-by-side choices. Reads no behaviour."""

import polars as pl

from unspoken.pairs.funnel import Funnel
from unspoken.pairs.recipe import Recipe

VOTE_RULE, RATING_RULE, CHOICE_RULE, VOTE_PAIR_RULE = "vote/1", "rating/1", "choice/1", "votes-of-siblings/1"
MOST_OPPONENTS = 8  # voted down, beside one that was voted up


def labels(episodes: pl.DataFrame, recipe: Recipe, funnel: Funnel) -> pl.DataFrame:
    """message, user, rule, p, evidence of what was said about single answers."""
    if recipe.stated == "votes":
        kept = funnel.keep("stated: answers with a vote", episodes, [("nobody voted", pl.col("vote").is_null())])
        p, rule = (pl.col("vote") > 0).cast(pl.Float64), VOTE_RULE
    else:
        untouched = pl.lit(False)
        if recipe.untouched_rating is not None:
            untouched = (pl.col("rating_lowest") == recipe.untouched_rating) & (
                pl.col("rating_highest") == recipe.untouched_rating
            )
        kept = funnel.keep(
            "stated: answers with a rating",
            episodes,
            [
                ("nobody rated the conversation", pl.col("rating").is_null()),
                ("every scale left at its default, which is no answer", untouched),
            ],
        )
        p, rule = pl.col("rating"), RATING_RULE
    user = pl.col("user") if recipe.stated_user_known else pl.lit(None, dtype=pl.String)
    return kept.select(
        "message", user.alias("user"), pl.lit(rule).alias("rule"), p.alias("p"), evidence="stated_evidence"
    )


def vote_pairs(episodes: pl.DataFrame) -> pl.DataFrame:
    """Up ≻ down among siblings of one prompt (prompt, message, siblings, vote).

    Each weighs 1/(pairs of that prompt), so that a prompt counts once. Each answer that was voted up meets at most
    eight that were voted down, in a fixed circle: n answers would otherwise make n²/4 pairs.
    """
    both = ((pl.col("vote") > 0).any() & (pl.col("vote") < 0).any()).over("prompt")
    read = episodes.select("prompt", "message", "siblings", "vote")
    voted = read.filter(pl.col("siblings") > 1, pl.col("vote").is_not_null()).filter(both).sort("prompt", "message")
    place = pl.int_range(pl.len()).over("prompt").alias("place")
    up = voted.filter(pl.col("vote") > 0).select("prompt", place, chosen="message")
    down = voted.filter(pl.col("vote") < 0).select(
        "prompt", place, pl.len().over("prompt").alias("downs"), rejected="message"
    )
    downs = down.select("prompt", "downs").unique()
    met = (
        up.join(downs, on="prompt")
        .with_columns(step=pl.int_ranges(0, pl.min_horizontal("downs", MOST_OPPONENTS)))
        .explode("step")
        .with_columns(place=(pl.col("place") + pl.col("step")) % pl.col("downs"))
    )
    return met.join(down, on=["prompt", "place"]).select(
        "prompt",
        "chosen",
        "rejected",
        pl.lit(VOTE_PAIR_RULE).alias("rule"),
        (1 / pl.len().over("prompt")).alias("weight"),
    )


def choice_pairs(events: pl.DataFrame, episodes: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[str, int]]]:
    """Decisive side-by-side choices as pairs, and what was left out; ties train nothing (science: §5)."""
    rows = events.filter(pl.col("kind") == "choice").explode("rejected")
    decided = rows.filter(~pl.col("tie").fill_null(False))
    prompts = episodes.select(chosen="message", prompt="prompt")
    others = episodes.select(rejected="message", other_prompt="prompt")
    known = (
        decided.join(prompts, on="chosen")
        .join(others, on="rejected")
        .filter((pl.col("prompt") == pl.col("other_prompt")) & (pl.col("chosen") != pl.col("rejected")))
        .unique(["chosen", "rejected"], keep="first", maintain_order=True)
    )
    pairs = known.select(
        "prompt",
        "chosen",
        "rejected",
        pl.lit(CHOICE_RULE).alias("rule"),
        (1 / pl.len().over("event")).alias("weight"),
        pl.concat_list("event").alias("evidence"),
    )
    dropped = [
        ("a tie", len(rows) - len(decided)),
        ("answers that are not there, repeat, or answer different prompts", len(decided) - len(known)),
    ]
    return pairs, dropped
