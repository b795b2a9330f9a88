"""The revealed family: what users did. Reads no vote, rating or choice, and no text."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from unspoken.pairs.funnel import Funnel
from unspoken.pairs.recipe import Recipe
from unspoken.signals import evidence, siblings
from unspoken.signals.factor.model import fit
from unspoken.signals.position import ENOUGH_BACK_NAVIGATED, Position

CONTINUED_RULE = "continued/1"
ANCHOR = "spoiled on purpose: it tests the labels and teaches nothing"
UNSEEN = "nobody is known to have seen it"
UNKNOWN = "what was done is not known: its events were lost or never recorded"


@dataclass(frozen=True)
class Revealed:
    """`labels`: message, user, rule, p, evidence, and mean, sd, moved where a model was fitted.

    `unchosen`: what the model says of siblings without knowing which was gone back to (message, mean, sd, variety).
    """

    labels: pl.DataFrame
    unchosen: pl.DataFrame | None = None
    label_model: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def rule(self) -> str | None:
        """The one that all labels name; None where there are none."""
        return next(iter(self.labels["rule"].head(1)), None)


def labels(
    units: pl.DataFrame, taught: pl.DataFrame, acts: pl.DataFrame, replies: pl.DataFrame, recipe: Recipe, funnel: Funnel
) -> Revealed:
    """By the label model, by hand-set weights (`acts`, see signals/evidence.py), or by who wrote again.

    `units` hold the planted anchors, on which the model is tested, `taught` only answers that get a label. `replies`
    (frames.REPLIES) test which acts the model is made of, and nothing else of it.
    """
    step = "revealed: answers with behaviour"
    if recipe.revealed == "continued":
        # Both people were in the chat and live: every unit was seen, so not writing again is an act too.
        p = pl.col("continued").cast(pl.Float64).alias("p")
        kept = funnel.keep(step, taught, [])
        return Revealed(kept.select("message", "user", pl.lit(CONTINUED_RULE).alias("rule"), p, "evidence"))
    rules = [(UNSEEN, ~pl.col("exposed")), (UNKNOWN, pl.col("p").is_null())]
    if recipe.revealed == "acts":
        seen = taught.select("message", "exposed")
        kept = funnel.keep(step, acts.join(seen, on="message", maintain_order="left"), rules)
        return Revealed(kept.select("message", "user", pl.lit(evidence.RULE).alias("rule"), "p", "evidence"))
    factor = fit(units, replies)
    kept = funnel.keep(step, factor.posterior(taught).with_columns(taught["exposed"]), rules)
    return Revealed(
        kept.select("message", "user", pl.lit(factor.rule).alias("rule"), "p", "mean", "sd", "moved", "evidence"),
        factor.posterior(siblings.unchosen(taught)).select("message", "mean", "sd", "variety"),
        factor.as_dict(),
        [*factor.notes],
    )


def chain_pairs(units: pl.DataFrame, known: pl.DataFrame | None, funnel: Funnel) -> tuple[pl.DataFrame, Position]:
    """Kept ≻ each other viewed sibling (see signals/siblings.py), with rule, and κ."""
    kept, dropped, place = siblings.sibling_pairs(units, known)
    chained = int((units["siblings"] > 1).sum())
    funnel.step("revealed: answers with siblings", chained, chained - sum(count for _, count in dropped), dropped)
    return kept.with_columns(pl.lit(siblings.RULE).alias("rule")), place


def place_notes(place: Position) -> list[str]:
    """What is to be said of κ."""
    if not place.chains:
        return []
    how = f"its prior, because fewer than {ENOUGH_BACK_NAVIGATED} chains went back"
    return [
        f"The last generated answer is kept for its place alone by κ = {place.kappa:.2f} logits "
        f"({how if place.at_prior else 'fitted'}); {place.back_navigated:,} of {place.chains:,} chains of regenerated "
        "answers went back to an earlier one."
    ]
