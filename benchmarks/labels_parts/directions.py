"""Which way labels point: weights of the attributes that the texts hold, learnt from labels, beside the true ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from benchmarks.labels_parts.cases import Case, direction, features
from benchmarks.labels_parts.scores import cosine
from scipy.optimize import minimize
from scipy.special import expit

from unspoken.errors import TooLittleData
from unspoken.pairs.build import build
from unspoken.pairs.recipe import named
from unspoken.rewards import head
from unspoken.rewards.records import Records, records
from unspoken.signals.factor.model import Factor
from unspoken.signals.siblings import sibling_pairs, unchosen

_RIDGE = 1e-4  # next to none: there are thousands of pairs to seven weights


def stated(case: Case) -> dict[str, Any]:
    """Cosine of the stated model with the mean stated weights, from the records and caps of pairs.build.

    stated_ceiling: the same without the brigade's votes, which is what so few votes let one know at best.
    """
    true = direction(case, "w_stated")
    if true is None:
        return {}
    recipe = replace(named("given-prompts"), revealed="acts")
    try:
        built = build(case.messages, case.events, recipe)
        data = _records(case, built.pairs, built.unpaired, "stated")
        found: dict[str, Any] = {"stated_cosine": cosine(head.fit(data).w, true), "stated_labels": len(data)}
        if "brigade" in case.users.columns and case.users["brigade"].any():
            theirs = pl.lit(case.users.filter("brigade")["user"].implode())
            honest = (
                built.pairs.filter(pl.col("people").list.set_intersection(theirs).list.len() == 0),
                built.unpaired.filter(~pl.col("user").is_in(theirs)),
            )
            found["stated_ceiling"] = cosine(head.fit(_records(case, *honest, "stated")).w, true)
        return found
    except TooLittleData:
        return {}


def revealed(case: Case, found: pl.DataFrame) -> dict[str, float]:
    """How far the cosine of the revealed labels' weights with the stated ones is from the true one.

    `found`: the factor's posterior. The weights are those of a least-squares regression of the worth's mean.
    """
    said, did = direction(case, "w_stated"), direction(case, "w_revealed")
    if said is None or did is None:
        return {}
    weights = regressed(case, found)
    return {
        "revealed_cosine": cosine(weights, did),
        "cosine_error": abs(cosine(weights, said) - cosine(did, said)),
    }


def regressed(case: Case, found: pl.DataFrame) -> np.ndarray:
    """(attributes,)"""
    known = found.filter(pl.col("mean").is_not_null())
    x = features(case, known["message"])
    solution = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), known["mean"].to_numpy(), rcond=None)[0]
    return np.asarray(solution[:-1])


def length_artefact(case: Case, factor: Factor) -> dict[str, float]:
    """Weight of filler in the sibling model, in units of the attributes' weights together; nobody minds it, so it is 0.

    The sibling model is the head: weights, and beside them `place`, the share of the pairs' margin that it finds right.
    With it what a trainer gets that takes the margins as they are, and one that is not told of position.
    """
    pairs, _, place = sibling_pairs(case.episodes, factor.posterior(unchosen(case.episodes)))
    x = features(case, pairs["chosen"], ("filler",)) - features(case, pairs["rejected"], ("filler",))
    margin, weight, count = pairs["margin"].to_numpy(), pairs["weight"].to_numpy(), len(pairs)
    data = Records(
        x=x, margin=margin, p=np.ones(count), weight=weight, alone=np.zeros(count, dtype=bool),
        intercept=np.full(count, -1), unit=np.arange(count), people=tuple((f"{i}",) for i in range(count)),
    )  # fmt: skip
    fitted = head.fit(data, ridge=_RIDGE)
    return {
        "length_artefact": _of_filler(fitted.w),
        "length_by_margin": _of_filler(_as_it_is(x, margin, weight)),
        "length_without_margin": _of_filler(_as_it_is(x, np.zeros(count), weight)),
        "kappa": place.kappa,
        "place": fitted.place,
        "sibling_pairs": count,
    }


def _as_it_is(x: np.ndarray, margin: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weights of a linear model that takes the margin for true, as trainers do that are given it."""

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        logits = x @ w - margin
        slope = -(weight * expit(-logits)) @ x
        ridge = _RIDGE * weight.sum() * w
        return float(weight @ np.logaddexp(0, -logits) + ridge @ w / 2), slope + ridge

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS").x)


def _of_filler(w: np.ndarray) -> float:
    """The last weight in units of all others together."""
    return float(w[-1] / np.linalg.norm(w[:-1]))


def _records(case: Case, pairs: pl.DataFrame, unpaired: pl.DataFrame, family: str) -> Records:
    pairs, unpaired = pairs.filter(pl.col("family") == family), unpaired.filter(pl.col("family") == family)
    messages = pl.concat([pairs["chosen"], pairs["rejected"], unpaired["message"]]).unique(maintain_order=True)
    row_of = {message: row for row, message in enumerate(messages.to_list())}
    return records(pairs, unpaired, row_of, features(case, messages))
