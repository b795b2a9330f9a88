"""The other two families: what votes and replies say, against what people would say and what their replies follow."""

from typing import Any

import numpy as np
import polars as pl
from benchmarks.labels_parts import ceilings
from benchmarks.labels_parts.cases import Case, ordinary
from benchmarks.labels_parts.scores import scores

from unspoken.pairs import stated, votes
from unspoken.pairs.funnel import Funnel
from unspoken.pairs.recipe import named
from unspoken.pairs.records import votes_that_count

ARMS = {"stated": ("bayes", "votes, weighted", "votes"), "expressed": ("bayes", "replies")}


def scored(case: Case, judged: pl.DataFrame) -> dict[str, Any]:
    """By family: labels, coverage and arms; a family whose truth nobody knows is left out.

    Stated labels are those of the dataset, with the weights of their votes; every answer weighs alike in `votes`.
    """
    answers, truth = ordinary(case, judged), _truth(case)
    if truth is None:
        return {}
    weights = votes.weights(answers)
    said = votes_that_count(stated.labels(answers, named("chat"), Funnel()), weights, Funnel()).join(
        weights, on="message", maintain_order="left"
    )
    return {
        "stated": _of(answers, said, _named(truth, "stated"), ("votes, weighted", "votes")),
        "expressed": _of(answers, case.expressed.with_columns(weight=1.0), _named(truth, "expressed"), ("replies",)),
    }


def _truth(case: Case) -> pl.DataFrame | None:
    """message, and for both families better_… and p_bayes_…, null where not known.

    Where nobody says what replies follow, that is taken to be both utilities alike, as in the simulator's worlds.
    """
    if "u_stated" not in case.answers.columns:
        return None
    said, did = case.answers["u_stated"].to_numpy(), case.answers["u_revealed"].to_numpy()
    worth = {"stated": said, "expressed": said + did}
    bayes = dict.fromkeys(worth, np.full(len(said), np.nan))
    if case.draws is not None:
        worth["expressed"] = ceilings.expressed_worth(case.draws)
        bayes = {"stated": ceilings.stated(case.draws), "expressed": ceilings.expressed(case.draws)}
    columns = {"message": case.answers["message"]}
    for family, values in worth.items():
        u = pl.Series(values).fill_nan(None)
        columns |= {f"better_{family}": u > 0, f"p_bayes_{family}": pl.Series(bayes[family]).fill_nan(None)}
    return pl.DataFrame(columns)


def _named(truth: pl.DataFrame, family: str) -> pl.DataFrame:
    return truth.select("message", better=f"better_{family}", p_bayes=f"p_bayes_{family}").drop_nulls("better")


def _of(answers: pl.DataFrame, labels: pl.DataFrame, truth: pl.DataFrame, arms: tuple[str, ...]) -> dict[str, Any]:
    known = answers.select("message").join(truth, on="message", maintain_order="left")
    table = known.join(labels.select("message", "p", "weight"), on="message", maintain_order="left")
    weight, p = table["weight"].to_numpy(), table["p"].to_numpy()
    of = {arm: scores(p, table, None if arm == "votes" else weight) for arm in arms if len(table)}
    sure = table.filter(pl.col("p_bayes").is_not_null())
    if len(sure):
        of["bayes"] = scores(sure["p_bayes"].to_numpy(), sure, sure["weight"].to_numpy())
    return {
        "labels": len(table),
        "coverage": len(table) / max(len(known), 1),
        "bayes_known": len(sure) / max(len(table), 1),
        "arms": of,
    }
