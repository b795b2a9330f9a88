"""What was seen of answers to labels, pairs and unpaired, with the funnel. The whole of it is a pure function."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import polars as pl

from unspoken.errors import TooLittleData
from unspoken.frames import EVENTS, LABELS, REPLIES, check, empty
from unspoken.pairs import consented, counted, expressed, poisoning, records, revealed, stated, votes
from unspoken.pairs.built import Built
from unspoken.pairs.expressed import Encode
from unspoken.pairs.funnel import Funnel
from unspoken.pairs.prompts import TextOf, openings, places, with_topics
from unspoken.pairs.quarantined import rules as of_quarantined
from unspoken.pairs.rankings import rankings
from unspoken.pairs.recipe import Recipe
from unspoken.pairs.seen import Seen, seen, tables
from unspoken.signals import evidence
from unspoken.signals.bots import bots

Progress = Callable[[float, str], None]
Watch = Callable[[pl.DataFrame], pl.DataFrame]
_AT_ONCE = 20_000  # rows that stand as JSON at a time, for the digest


def build(
    messages: pl.DataFrame,
    events: pl.DataFrame,
    recipe: Recipe,
    progress: Progress | None = None,
    before: Sequence[dict[str, Any]] = (),
    text_of: TextOf | None = None,
    encode: Encode | None = None,
    quarantined: Watch = bots,
) -> Built:
    """`label` of frames.MESSAGES and frames.EVENTS, which may come in any order and more than once.

    `before`: the funnel's steps so far, where something was left out already (see unspoken.pairs.consented).
    """
    once = check(events, EVENTS, "events").unique("event", keep="first")
    return label(seen(tables(messages, once)), recipe, progress, text_of, encode, quarantined, before)


def label(
    found: Seen,
    recipe: Recipe,
    progress: Progress | None = None,
    text_of: TextOf | None = None,
    encode: Encode | None = None,
    quarantined: Watch = bots,
    before: Sequence[dict[str, Any]] = (),
) -> Built:
    """Label every answer and pair what can be paired; TooLittleData when there is no answer at all.

    `text_of`: texts by message id, asked for prompts and replies alone; without it there are no expressed labels, no
    topics but those the chatbot names, and only equal prompts are one prompt. `encode`: texts to sentence vectors
    (n, 384) for replies; rules alone without it. `quarantined`: from the episodes to user, reason of whoever is to be
    left out.
    """
    say = progress or (lambda share, note: None)
    funnel = Funnel([*before, *found.steps])
    say(0.05, "answers")
    units = _units(_answers(found, funnel), recipe, quarantined, funnel)
    say(0.2, "prompts")
    units, whose = _placed(units, recipe, text_of)
    taught = funnel.keep("answers that may teach", units, [(revealed.ANCHOR, pl.col("anchor").is_not_null())])
    say(0.3, "stated labels")
    weights = votes.weights(taught)
    said = records.votes_that_count(stated.labels(taught, recipe, funnel), weights, funnel)
    say(0.4, "replies")
    wrote, replies = (
        expressed.labels(taught, found.told(), text_of, encode, funnel) if text_of else (None, empty(REPLIES))
    )
    say(0.6, "revealed labels")
    acts = evidence.acts(units)
    did = revealed.labels(units, taught, acts, replies, recipe, funnel)
    labels = _labels(stated=said, revealed=did.labels, expressed=wrote)
    rule, did = did.rule, replace(did, labels=empty(LABELS))  # which hold them all
    del said, wrote
    say(0.8, "pairs")
    chains, place = revealed.chain_pairs(taught, did.unchosen, funnel)
    hard = _pairs(
        revealed=records.resting(chains, taught, "evidence"),
        stated=pl.concat(
            [records.vote_pairs(taught, weights, funnel), _choices(found.choices, taught, funnel)],
            how="diagonal_relaxed",
        ),
    )
    own = records.own_pairs(hard, whose, recipe, funnel)
    unpaired = records.unpaired(labels, whose, own, weights, recipe, funnel)
    strangers = records.pairs_of_strangers(unpaired, labels, units, funnel)
    pairs = pl.concat([own, strangers]).sort("family", "chosen", "rejected", "rule")
    say(1.0, f"{len(labels):,} labels, {len(pairs):,} pairs, {len(unpaired):,} unpaired")
    return Built(
        recipe=recipe,
        episodes=units,
        acts=acts,
        replies=replies,
        labels=labels,
        pairs=pairs,
        unpaired=unpaired,
        funnel=funnel.steps,
        signals=counted.signals(units, found, replies),
        notes=[*did.notes, *revealed.place_notes(place), *counted.notes(units, rule)],
        accounts={
            "label_model": did.label_model,
            "votes": votes.account(taught),
            "poisoning": poisoning.account(units, unpaired),
            "rankings": rankings(pairs, units, labels),
        },
        digest=_digest(labels, pairs, unpaired),
    )


def _answers(found: Seen, funnel: Funnel) -> pl.DataFrame:
    """The episodes, with the funnel's account of conversations without an answer and of answers without a place."""
    every, conversations, sent = found.episodes, found.conversations, found.totals["answers"]
    answered = every["conversation"].n_unique()
    funnel.step("conversations", conversations, answered, [("nobody answered in it", conversations - answered)])
    if every.is_empty():
        raise TooLittleData(_nothing(conversations, funnel))
    if sent > len(every):
        funnel.step(
            "answers: a place in the tree", sent, len(every), [("its parents run in a circle", sent - len(every))]
        )
    return every


def _units(every: pl.DataFrame, recipe: Recipe, quarantined: Watch, funnel: Funnel) -> pl.DataFrame:
    held = of_quarantined(quarantined(every))
    free = funnel.keep("answers: quarantine", every, held) if held else every
    return funnel.keep("answers", free, _unit_rules(recipe))


def _placed(units: pl.DataFrame, recipe: Recipe, text_of: TextOf | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The units with topics, and where each stands. Texts of openings are held in here alone."""
    opening = openings(units, text_of) if text_of else None
    if opening is not None:
        units = with_topics(units, opening)
    return units, places(units, opening, recipe)


def _nothing(conversations: int, funnel: Funnel) -> str:
    missing = f"There is nothing to label yet: {conversations} conversations and no answer in them. "
    withheld = [step for step in funnel.steps if step["step"] == consented.STEP]
    if not withheld:
        return missing + "Send events to POST /v1/events or import some, then build again."
    entered, kept = withheld[0]["entered"], withheld[0]["kept"]
    return (
        f"{missing}Of {entered:,} events {entered - kept:,} may not be used, for want of consent to training. "
        "Send it with each event, or, where you have it by other means, say so: "
        "unspoken projects set PROJECT consent=assumed. See docs/privacy.md."
    )


def _unit_rules(recipe: Recipe) -> list[tuple[str, pl.Expr]]:
    rules = [("its prompt never came", pl.col("prompt").is_null())]
    if recipe.needs_opening:
        rules.append(("the conversation has no opening text", pl.col("root_role") != "system"))
    if recipe.unit == "first answer":
        rules.append(("not the first answer of its conversation", pl.col("turn") > 0))
    if recipe.within_s is not None:
        rules.append((f"came later than {recipe.within_s:g} s", pl.col("latency_s") > recipe.within_s))
    return rules


def _choices(chosen: pl.DataFrame, taught: pl.DataFrame, funnel: Funnel) -> pl.DataFrame:
    choices, left_out = stated.choice_pairs(chosen, taught)
    offered = len(choices) + sum(count for _, count in left_out)
    if offered:
        funnel.step("stated: side-by-side choices", offered, len(choices), left_out)
    return choices


def _labels(**families: pl.DataFrame | None) -> pl.DataFrame:
    known = [
        frame.with_columns(pl.lit(family).alias("family")) for family, frame in families.items() if frame is not None
    ]
    whole = pl.concat([empty(LABELS), *known], how="diagonal_relaxed")
    return check(whole.sort("family", "message", "user"), LABELS, "labels")


def _pairs(**families: pl.DataFrame) -> pl.DataFrame:
    """Hard pairs: a choice was made; only where a position differed is there a margin."""
    known = [frame.with_columns(pl.lit(family).alias("family")) for family, frame in families.items()]
    whole = pl.concat(known, how="diagonal_relaxed")
    return whole.with_columns(pl.col("margin").fill_null(0.0), pl.lit(1.0).alias("p"))


def _digest(*frames: pl.DataFrame) -> str:
    whole = sha256()
    for frame in frames:
        for rows in frame.iter_slices(_AT_ONCE):
            whole.update(rows.write_ndjson().encode())
    return whole.hexdigest()
