"""What one world says: scores per arm on the same answers, coverage, directions, bots, the firewall."""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
from benchmarks.labels_parts import directions, peers
from benchmarks.labels_parts.cases import Case, of_preset
from benchmarks.labels_parts.scores import scores

from unspoken.signals.anchors import Anchors
from unspoken.signals.bots import bots
from unspoken.signals.episodes import episodes
from unspoken.signals.factor.model import fit

ARMS = ("bayes", "factor", "factor, anchored", "two classes, raw", "two classes, tempered", "hand-set")
FIRST_SEED = 100  # worlds of lower seeds were looked at while the label model was made
MORE_CHAINS = 0.3  # regenerate_rate of the world in which the sibling model's weights are looked at
Row = dict[str, Any]


def of_world(name: str, seed: int, answers: int | None) -> Row:
    """One drawing of a preset, with what only some worlds are asked."""
    case = of_preset(name, seed, answers)
    row = measure(case, seed)
    if name == "default":
        row |= {"votes_read": votes_read(case)} if seed == FIRST_SEED else {}
    if name == "brigade":  # at the preset's own size: of 20,000 answers 420 honest votes are cast, too few to point
        row |= directions.stated(case if answers is None else of_preset(name, seed, None))
    if name == "recency":  # the same drift with more chains, so that a weight can be seen at all
        chains = of_preset(name, seed, answers, regenerate_rate=MORE_CHAINS)
        row |= directions.length_artefact(chains, fit(chains.episodes, chains.replies).posterior(chains.episodes))
    return row


def measure(case: Case, seed: int) -> Row:
    """Everything one world says: scores per arm, coverage, directions, bots."""
    started = perf_counter()
    flagged = bots(case.episodes)
    judged = case.episodes.filter(~pl.col("user").is_in(flagged["user"].implode()))
    fitted = fit(judged, case.replies)
    anchored = fitted.posterior(judged)
    plain = replace(fitted, anchors=Anchors()).posterior(judged)
    raw = peers.two_class(judged)
    found = {
        "factor": plain,
        "factor, anchored": anchored,
        "two classes, raw": raw,
        "two classes, tempered": peers.tempered(raw, judged),
        "hand-set": peers.hand_set(judged),
    }
    row: Row = {"seed": seed, **_scored(case, judged, found), **_bots(case, flagged["user"].to_list())}
    row |= directions.revealed(case, plain) if fitted.design else {}
    if case.name == "default" and fitted.design:
        row |= directions.placebo(case, plain, seed)
    return row | {"seconds": perf_counter() - started}


def _scored(case: Case, judged: pl.DataFrame, found: dict[str, pl.DataFrame]) -> Row:
    """All arms on the same answers: those that the factor labels, of people, not spoiled on purpose."""
    people = case.users
    if "bot" in people.columns:
        people = people.filter(~pl.col("bot"))
    table = judged.filter(pl.col("anchor").is_null()).select("message", "user").join(people.select("user"), on="user")
    table = table.select("message").join(case.answers.select("message", "better", "p_bayes"), on="message")
    asked = len(table)
    for name, frame in found.items():
        table = table.join(frame.select("message", pl.col("p").alias(name)), on="message", how="left")
    table = table.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in found))
    arms = {name: scores(table[name].to_numpy(), table) for name in found}
    if table["p_bayes"].null_count() == 0:
        arms["bayes"] = scores(table["p_bayes"].to_numpy(), table)
    return {"answers": asked, "coverage": len(table) / max(asked, 1), "arms": arms}


def _bots(case: Case, flagged: Sequence[str]) -> Row:
    if "bot" not in case.users.columns:
        return {}
    bot, caught = case.users["bot"].to_numpy(), np.isin(case.users["user"].to_numpy(), list(flagged))
    found = {"bots_fpr": float(caught[~bot].mean()) if not bot.all() else 0.0}
    return found | ({"bots_tpr": float(caught[bot].mean())} if bot.any() else {})


def votes_read(case: Case) -> bool:
    """Whether any revealed label changes by a bit when every vote and rating is turned round. It may not."""
    turned = case.events.with_columns(
        value=pl.when(pl.col("kind") == "vote")
        .then(-pl.col("value"))
        .when(pl.col("kind") == "rating")
        .then(pl.col("lowest") + pl.col("highest") - pl.col("value"))
        .otherwise("value")
    )
    both = [case.episodes, episodes(case.messages, turned)]
    if both[0]["vote"].equals(both[1]["vote"]):
        raise ValueError("No vote was turned round, so this would show nothing.")
    first, second = (fit(rows, case.replies).posterior(rows) for rows in both)
    return not first.equals(second)
