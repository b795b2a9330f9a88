"""What one world says: scores per arm on the same answers, coverage, directions, bots, the firewall."""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
from benchmarks.labels_parts import directions, families, peers
from benchmarks.labels_parts.cases import Case, of_preset, ordinary
from benchmarks.labels_parts.scores import scores

from unspoken.signals.anchors import Anchors
from unspoken.signals.bots import bots
from unspoken.signals.episodes import episodes
from unspoken.signals.factor.model import fit

ARMS = ("bayes", "factor", "factor, anchored", "two classes, raw", "two classes, tempered", "hand-set")
FIRST_SEED = 100  # worlds of lower seeds were looked at while the label model was made
# The world in which the sibling model's weights are looked at: its regenerate_rate, its size in those of the others,
# and how many are drawn for each seed.
MORE_CHAINS, MORE_ANSWERS, MORE_WORLDS = 0.3, 5, 4
CHAINS_ANSWERS = 20_000  # where no size was asked for
Row = dict[str, Any]


def of_world(name: str, seed: int, answers: int | None) -> Row:
    """One drawing of a preset, with what only some worlds are asked."""
    case = of_preset(name, seed, answers)
    row = measure(case, seed)
    if name == "default":
        row |= {"votes_read": votes_read(case)} if seed == FIRST_SEED else {}
    if name == "brigade":  # at the preset's own size: of 20,000 answers 420 honest votes are cast, too few to point
        row |= directions.stated(case if answers is None else of_preset(name, seed, None))
    return row


def of_chains(seed: int, answers: int | None) -> Row:
    """What a sibling model makes of length that drifts with position: `recency` with more chains and more answers.

    Seven of a hundred chains go back to an earlier answer, and they alone tell place from length: with the answers of
    the other worlds one weight has a standard error of .08.
    """
    case = of_preset("recency", seed, MORE_ANSWERS * (answers or CHAINS_ANSWERS), regenerate_rate=MORE_CHAINS)
    few = case.users["user"].head(len(case.users) // MORE_ANSWERS)  # enough to know the acts by
    factor = fit(case.episodes.filter(pl.col("user").is_in(few.implode())), case.replies)
    return {"seed": seed, **directions.length_artefact(case, factor)}


def measure(case: Case, seed: int) -> Row:
    """Everything one world says: scores per arm, coverage, directions, bots."""
    started = perf_counter()
    flagged = bots(case.episodes)
    judged = case.episodes.join(flagged, on="user", how="anti", maintain_order="left")
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
    row: Row = {
        "seed": seed,
        "rule": fitted.rule,
        **_scored(case, judged, found),
        "families": families.scored(case, judged),
        **_bots(case, flagged["user"].to_list()),
    }
    row |= directions.revealed(case, plain) if fitted.design else {}
    return row | {"seconds": perf_counter() - started}


def _scored(case: Case, judged: pl.DataFrame, found: dict[str, pl.DataFrame]) -> Row:
    """All arms on the same answers: those that the factor labels, of people, not spoiled on purpose."""
    truth = case.answers.filter(pl.col("better").is_not_null()).select("message", "better", "p_bayes")
    table = ordinary(case, judged).select("message").join(truth, on="message", maintain_order="left")
    asked = len(table)
    for name, frame in found.items():
        table = table.join(frame.select("message", pl.col("p").alias(name)), on="message", how="left")
    table = table.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in found))
    arms = {name: scores(table[name].to_numpy(), table) for name in found}
    row = {"answers": asked, "coverage": len(table) / max(asked, 1), "arms": arms}
    known = table.filter(pl.col("p_bayes").is_not_null())
    if len(known):
        arms["bayes"] = scores(known["p_bayes"].to_numpy(), known)
    return row | ({"bayes_known": len(known) / len(table)} if 0 < len(known) < len(table) else {})


def _bots(case: Case, flagged: Sequence[str]) -> Row:
    if "bot" not in case.users.columns:
        return {}
    known = case.users.filter(pl.col("bot").is_not_null())
    bot, caught = known["bot"].to_numpy(), np.isin(known["user"].to_numpy(), list(flagged))
    found = {"bots_fpr": float(caught[~bot].mean())} if not bot.all() else {}
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
