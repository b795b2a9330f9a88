"""Messages and events to labels, pairs and unpaired, with the funnel. The whole of it is a pure function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import polars as pl

from unspoken.errors import TooLittleData
from unspoken.frames import EVENTS, LABELS, PAIRS, UNPAIRED, check
from unspoken.pairs import stated
from unspoken.pairs.funnel import Funnel
from unspoken.pairs.recipe import Recipe
from unspoken.pairs.split import with_split
from unspoken.signals import evidence, siblings
from unspoken.signals.episodes import STATED_KINDS
from unspoken.signals.episodes import episodes as make_episodes

CONTINUED_RULE = "continued/1"
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Built:
    """One dataset. `signals` counts what was seen, by family and kind; `digest` is of labels, pairs and unpaired."""

    recipe: Recipe
    episodes: pl.DataFrame
    acts: pl.DataFrame
    labels: pl.DataFrame
    pairs: pl.DataFrame
    unpaired: pl.DataFrame
    funnel: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    notes: list[str]
    digest: str


def build(
    messages: pl.DataFrame,
    events: pl.DataFrame,
    recipe: Recipe,
    progress: Progress | None = None,
    before: Sequence[dict[str, Any]] = (),
) -> Built:
    """Label every answer and pair what can be paired; TooLittleData when there is no answer at all.

    `before`: the funnel's steps so far, where something was left out already (see unspoken.pairs.consented).
    """
    say = progress or (lambda share, note: None)
    funnel = Funnel([*before])
    say(0.05, "answers")
    events = (
        check(events, EVENTS, "events").unique("event", keep="first").sort("at", "event")
    )  # arrival decides nothing
    every = make_episodes(messages, events)
    conversations = messages["conversation"].n_unique()
    answered = every["conversation"].n_unique()
    funnel.step("conversations", conversations, answered, [("nobody answered in it", conversations - answered)])
    if every.is_empty():
        raise TooLittleData(
            f"There is nothing to label yet: {conversations} conversations and no answer in them. "
            "Send events to POST /v1/events or import some, then build again."
        )
    units = funnel.keep("answers", every, _unit_rules(recipe))
    say(0.4, "stated labels")
    said = stated.labels(units, recipe, funnel)
    say(0.5, "revealed labels")
    acts = evidence.acts(units)
    did = _revealed(units, acts, recipe, funnel)
    say(0.7, "pairs")
    pairs, notes = _pairs(units, events, recipe, funnel)
    labels = pl.concat(
        [
            said.with_columns(pl.lit("stated").alias("family")).select(list(LABELS)),
            did.with_columns(pl.lit("revealed").alias("family")).select(list(LABELS)),
        ]
    )
    labels = check(labels.sort("family", "message"), LABELS, "labels")
    unpaired = _unpaired(labels, units, pairs, recipe, funnel)
    say(1.0, f"{len(labels):,} labels, {len(pairs):,} pairs, {len(unpaired):,} unpaired")
    return Built(
        recipe, units, acts, labels, pairs, unpaired, funnel.steps, _signals(units, events), notes,
        digest=_digest(labels, pairs, unpaired),
    )  # fmt: skip


def _unit_rules(recipe: Recipe) -> list[tuple[str, pl.Expr]]:
    rules = [("its prompt never came", pl.col("prompt").is_null())]
    if recipe.needs_opening:
        rules.append(("the conversation has no opening text", pl.col("root_role") != "system"))
    if recipe.unit == "first answer":
        rules.append(("not the first answer of its conversation", pl.col("turn") > 0))
    if recipe.within_s is not None:
        rules.append((f"came later than {recipe.within_s:g} s", pl.col("latency_s") > recipe.within_s))
    return rules


def _revealed(units: pl.DataFrame, acts: pl.DataFrame, recipe: Recipe, funnel: Funnel) -> pl.DataFrame:
    if recipe.revealed == "continued":
        # Both people were in the chat and live: every unit was seen, so not writing again is an act too.
        kept = funnel.keep("revealed: answers with behaviour", units, [])
        return kept.select(
            "message",
            "user",
            pl.lit(CONTINUED_RULE).alias("rule"),
            pl.col("continued").cast(pl.Float64).alias("p"),
            "evidence",
        )
    kept = funnel.keep(
        "revealed: answers with behaviour", acts, [("nobody is known to have seen it", pl.col("p").is_null())]
    )
    return kept.select("message", "user", pl.lit(evidence.RULE).alias("rule"), "p", "evidence")


def _pairs(units: pl.DataFrame, events: pl.DataFrame, recipe: Recipe, funnel: Funnel) -> tuple[pl.DataFrame, list[str]]:
    kept, dropped, kappa = siblings.sibling_pairs(units)
    chained = int((units["siblings"] > 1).sum())
    out = sum(count for _, count in dropped)
    funnel.step("revealed: answers with siblings", chained, chained - out, dropped)
    choices, left_out = stated.choice_pairs(events, units)
    offered = len(choices) + sum(count for _, count in left_out)
    if offered:
        funnel.step("stated: side-by-side choices", offered, len(choices), left_out)
    said = pl.concat([stated.vote_pairs(units), choices], how="diagonal_relaxed")
    found = pl.concat(
        [
            kept.with_columns(pl.lit("revealed").alias("family"), pl.lit(siblings.RULE).alias("rule")),
            said.with_columns(pl.lit("stated").alias("family"), pl.lit(0.0).alias("margin")),
        ],
        how="diagonal_relaxed",
    ).with_columns(pl.lit(1.0).alias("p"))
    placed = _placed(found.rename({"chosen": "message"}), units, recipe).rename({"message": "chosen"})
    kept_pairs = _one_side(placed, "pairs", recipe, funnel)
    pairs = kept_pairs.with_columns(pl.col("weight") * _cap(recipe))
    notes = []
    if kappa.chains:
        how = "its prior, because fewer than 50 chains went back" if kappa.at_prior else "fitted"
        notes.append(
            f"The last generated answer is kept for its place alone by κ = {kappa.kappa:.2f} logits ({how}); "
            f"{kappa.back_navigated:,} of {kappa.chains:,} chains of regenerated answers went back to an earlier one."
        )
    return check(pairs.sort("family", "chosen", "rejected"), PAIRS, "pairs"), notes


def _unpaired(
    labels: pl.DataFrame, units: pl.DataFrame, pairs: pl.DataFrame, recipe: Recipe, funnel: Funnel
) -> pl.DataFrame:
    """A vote that speaks in a pair does not speak again alone."""
    in_pairs = pairs.filter(pl.col("rule") == stated.VOTE_PAIR_RULE)
    paired = pl.concat([in_pairs["chosen"], in_pairs["rejected"]]).unique().implode()
    alone = funnel.keep(
        "unpaired labels",
        labels,
        [
            (
                "its vote already speaks in a pair",
                (pl.col("rule") == stated.VOTE_RULE) & pl.col("message").is_in(paired),
            )
        ],
    )
    placed = _placed(alone, units, recipe)
    kept = _one_side(placed, "unpaired labels: people on one side", recipe, funnel)
    capped = kept.with_columns(_cap(recipe).alias("weight"))
    return check(capped.sort("family", "message"), UNPAIRED, "unpaired")


def _cap(recipe: Recipe) -> pl.Expr:
    """What each record of a user weighs, so that no user counts for more than `recipe.user_cap` records of a family."""
    owner = pl.coalesce("user", pl.col("people").list.join("+"))
    return pl.min_horizontal(pl.lit(1.0), recipe.user_cap / pl.len().over("family", owner))


def _placed(records: pl.DataFrame, units: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Joins whose exchange it was; `user` stays what the label says where it says."""
    key = "root_key" if recipe.same_prompt == "opening" else "prompt_key"
    whose = units.select(
        "message",
        pl.col(key).alias("prompt_key"),
        pl.col("user").alias("asked"),
        pl.concat_list("user", "author").list.drop_nulls().list.unique().list.sort().alias("people"),
    )
    joined = records.join(whose, on="message", how="left")
    if "user" not in joined.columns:
        joined = joined.with_columns(pl.col("asked").alias("user"))
    return joined


def _one_side(records: pl.DataFrame, name: str, recipe: Recipe, funnel: Funnel) -> pl.DataFrame:
    placed = with_split(records, recipe.salt, recipe.test_share)
    return funnel.keep(
        name,
        placed,
        [
            ("nobody is known to have been answered", pl.col("people").list.len() == 0),
            ("its people stand on both sides of the split", pl.col("split").is_null()),
        ],
    )


def _signals(units: pl.DataFrame, events: pl.DataFrame) -> list[dict[str, Any]]:
    """How often each kind came, and how many of the units it speaks of, alone or with their conversation."""
    acts = events.filter(pl.col("kind") != "message")
    about = pl.concat(
        [
            acts.join(units.select("message"), on="message").select("kind", "message"),
            acts.filter(pl.col("message").is_null())
            .join(units.select("conversation", unit="message"), on="conversation")
            .select("kind", message="unit"),
        ]
    )
    counts = (
        acts.group_by("kind")
        .agg(pl.len().alias("events"))
        .join(about.group_by("kind").agg(pl.col("message").n_unique().alias("answers")), on="kind", how="left")
    )
    on = int(units["continued"].sum())
    rows = [*counts.fill_null(0).sort("kind").iter_rows(), ("wrote again", on, on)]
    return [
        {
            "family": "stated" if kind in STATED_KINDS else "revealed",
            "signal": kind,
            "events": count,
            "answers": answers,
            "share": answers / max(len(units), 1),
        }
        for kind, count, answers in rows
    ]


def _digest(*frames: pl.DataFrame) -> str:
    whole = sha256()
    for frame in frames:
        whole.update(frame.write_ndjson().encode())
    return whole.hexdigest()
