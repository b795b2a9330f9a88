"""Which way labels point: weights of the attributes that the texts hold, learnt from labels, beside the true ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from benchmarks.labels_parts.cases import Case, direction, features
from benchmarks.labels_parts.scores import cosine

from unspoken.errors import TooLittleData
from unspoken.pairs.build import build
from unspoken.pairs.recipe import named
from unspoken.rewards import head
from unspoken.rewards.records import Records, records
from unspoken.signals.siblings import sibling_pairs

_SHUFFLES = 20


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


def length_artefact(case: Case, found: pl.DataFrame) -> dict[str, float]:
    """Weight of filler in the sibling model, in units of the attributes' weights together; nobody minds it, so it is 0.

    Beside it what position does to a model that is not told of it (no margin). `place`: the share of the pairs' margin
    that the head finds right beside the weights.
    """
    pairs, _, place = sibling_pairs(case.episodes, found.select("message", "variety"))
    x = features(case, pairs["chosen"], ("filler",)) - features(case, pairs["rejected"], ("filler",))
    margin = pairs["margin"].to_numpy()
    nothing, count = np.zeros(len(pairs)), len(pairs)

    def weight_of_filler(margin: np.ndarray) -> tuple[float, float]:
        data = Records(
            x=x, margin=margin, p=np.ones(count), weight=pairs["weight"].to_numpy(), alone=np.zeros(count, dtype=bool),
            intercept=np.full(count, -1), unit=np.arange(count), people=tuple((f"{i}",) for i in range(count)),
        )  # fmt: skip
        fitted = head.fit(data, ridge=1e-4)
        attributes = len(case.attributes)
        return float(fitted.w[attributes] / np.linalg.norm(fitted.w[:attributes])), fitted.place

    artefact, share = weight_of_filler(margin)
    return {
        "length_artefact": artefact,
        "length_without_margin": weight_of_filler(nothing)[0],
        "kappa": place.kappa,
        "place": share,
        "sibling_pairs": count,
    }


def placebo(case: Case, found: pl.DataFrame, seed: int) -> dict[str, float]:
    """The stated model of shuffled votes against the revealed labels: mean cosine, in standard errors of that mean."""
    votes = case.episodes.filter(pl.col("vote").is_not_null())
    x = features(case, votes["message"])
    up = (votes["vote"] > 0).to_numpy().astype(float)
    weights = regressed(case, found)
    random = np.random.default_rng(seed)
    cosines = []
    for _ in range(_SHUFFLES):
        shuffled = random.permutation(up)
        cosines.append(cosine((x - x.mean(0)).T @ (shuffled - shuffled.mean()), weights))
    return {"placebo_z": float(np.mean(cosines) / (np.std(cosines) / np.sqrt(_SHUFFLES)))}


def _records(case: Case, pairs: pl.DataFrame, unpaired: pl.DataFrame, family: str) -> Records:
    pairs, unpaired = pairs.filter(pl.col("family") == family), unpaired.filter(pl.col("family") == family)
    messages = pl.concat([pairs["chosen"], pairs["rejected"], unpaired["message"]]).unique(maintain_order=True)
    row_of = {message: row for row, message in enumerate(messages.to_list())}
    return records(pairs, unpaired, row_of, features(case, messages))
