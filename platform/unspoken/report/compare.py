"""The comparison: from a dataset and its two models to the report's numbers. Drawing them is render's."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import transformers

from unspoken import __version__
from unspoken.errors import BadInput, TooLittleData
from unspoken.pairs import folder as datasets
from unspoken.report import association, halves
from unspoken.report.evaluation import Evaluation
from unspoken.report.matrix import matrix
from unspoken.report.parted import parted
from unspoken.report.verdict import interval, reliability, too_noisy, verdict
from unspoken.rewards import head, run_folder, score
from unspoken.rewards import trunk as trunks
from unspoken.rewards.records import Records
from unspoken.rewards.train import Space
from unspoken.signals import evidence

Progress = Callable[[float, str], None]
SIZES = (0.25, 0.5)


def compare(
    dataset_folder: Path,
    stated: Path | None,
    revealed: Path | None,
    *,
    cache: Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    seed: int = 0,
    replicates: int = halves.REPLICATES,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The report as render.render draws it. Both runs must come from this dataset and stand on one base model.

    A family without a run is said to be missing, and the verdict is "cannot tell"; BadInput when both are.
    """
    say = progress or (lambda share, note: None)
    dataset = datasets.read(dataset_folder)
    runs = {family: run for family, run in (("stated", stated), ("revealed", revealed)) if run is not None}
    if not runs:
        raise BadInput("There is no model to report on. Train one: unspoken train DATASET --family stated --out RUN")
    manifests = {family: run_folder.manifest(run) for family, run in runs.items()}
    _fitting(dataset, manifests)
    base_model = next(iter(manifests.values()))["base_model"]
    trunk = trunks.load(base_model, device, threads)
    if trunk.digest != next(iter(manifests.values()))["trunk"]:
        raise BadInput(f"The base model {base_model!r} is not the one the models were trained on; train them again.")
    space = Space.of(dataset, trunk, cache, lambda share, note: say(0.05 + 0.35 * share, note))
    say(0.4, "label association")
    rows = association.associations(dataset, seed)
    scores = {family: score.on_features(run, space.raw) for family, run in runs.items()}
    missing = [family for family in ("stated", "revealed") if family not in runs]
    if missing:
        estimate, by_size = None, list[dict[str, Any]]()
        why_none = f"There is no {missing[0]} model: its labels were too few or of one kind."
    else:
        estimate, by_size, why_none = _estimates(dataset, space, replicates, seed, say)
    reliabilities = [reliability(estimate, family) for family in ("stated", "revealed")] if estimate else []
    say(0.9, "cross-evaluation")
    return {
        "title": "What people say and what they do",
        "project": str(dataset.about.get("project", dataset_folder.name)),
        "simulated": bool(dataset.about.get("simulated", False)),
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "facts": list(dataset.about.get("facts", [])) + dataset.notes,
        "assumptions": [*dataset.about.get("assumptions", []), *_assumed(dataset)],
        "verdict": {
            **verdict(estimate, reliabilities, association.sentence(rows), why_none),
            "truth": dataset.about.get("truth"),
        },
        "funnel": dataset.funnel,
        "signals": dataset.signals,
        "association": rows,
        "matrix": matrix(dataset, _scorers(dataset, space, scores, seed), seed),
        "reliability": reliabilities,
        "estimator": _estimator(estimate, by_size, space, replicates),
        "parted": [] if missing else parted(dataset, scores["stated"], scores["revealed"], space.row_of),
        "provenance": _provenance(dataset, manifests, seed),
    }


def _assumed(dataset: datasets.DatasetFolder) -> list[str]:
    """What the recipe assumes, whatever the source."""
    shared = "Both models train on the same answers, those with both labels, and on the same number of labels."
    if dataset.recipe.revealed == "continued":
        return [shared]
    if dataset.labels["rule"].str.starts_with(evidence.RULE).any():
        return ["Revealed labels add up acts by hand-set weights (acts/1): an order, not probabilities.", shared]
    factor = "Revealed labels are probabilities by one factor behind all acts (factor/1): that there is one is a claim."
    return [factor, shared]


def _fitting(dataset: datasets.DatasetFolder, manifests: dict[str, dict[str, Any]]) -> None:
    for family, manifest in manifests.items():
        if manifest["family"] != family:
            raise BadInput(f"The run given as --{family} was trained on {manifest['family']} labels.")
        if manifest["dataset"] != dataset.digest:
            raise BadInput(
                f"The {family} model was trained on another dataset than the one given; train it on this one."
            )
    if len({manifest["trunk"] for manifest in manifests.values()}) > 1:
        raise BadInput("The two models stand on different base models; only models of one base are comparable.")


def _estimates(
    dataset: datasets.DatasetFolder, space: Space, replicates: int, seed: int, say: Progress
) -> tuple[halves.Estimate | None, list[dict[str, Any]], str]:
    stated, revealed = matched(dataset, space)
    evaluation = held_out(dataset, space)
    try:
        estimate = halves.estimate(
            stated, revealed, evaluation, replicates=replicates, seed=seed,
            progress=lambda share, note: say(0.45 + 0.3 * share, note),
        )  # fmt: skip
    except TooLittleData as error:
        return None, [], f"A half of the people has too few labels to train a model on. {error.detail}"
    by_size = []
    noisy = bool(too_noisy([reliability(estimate, family) for family in ("stated", "revealed")]))
    if not noisy:
        say(0.75, "checking the intervals by refits")
        estimate = halves.checked(estimate, stated, revealed, evaluation, seed=seed)
        for share in SIZES:
            say(0.8, f"the estimate at {share:g} of the people")
            by_size.append(_size(share, stated, revealed, evaluation, seed))
    by_size.append(_row(1.0, estimate, shown=not noisy))
    return estimate, by_size, ""


def _size(share: float, stated: Records, revealed: Records, evaluation: Evaluation, seed: int) -> dict[str, Any]:
    try:
        smaller = halves.estimate(stated, revealed, evaluation, replicates=300, share=share, seed=seed)
    except TooLittleData:
        return {"share": share, "labels_stated": 0, "labels_revealed": 0, "rho": None, "low": None, "high": None}
    noisy = too_noisy([reliability(smaller, family) for family in ("stated", "revealed")])
    return _row(share, smaller, shown=not noisy)


def _row(share: float, estimate: halves.Estimate, shown: bool) -> dict[str, Any]:
    rho = interval(estimate)
    return {
        "share": share,
        "labels_stated": estimate.labels[0],
        "labels_revealed": estimate.labels[1],
        "rho": _finite(rho["estimate"]) if shown else None,
        "low": _finite(rho["low"]) if shown else None,
        "high": _finite(rho["high"]) if shown else None,
    }


def matched(dataset: datasets.DatasetFolder, space: Space) -> tuple[Records, Records]:
    """Both arms on the same answers and with the same number of labels: the larger one is thinned by hash."""
    stated = space.records(dataset, "stated", "train")
    on = dataset.unpaired.filter((pl.col("family") == "stated") & (pl.col("split") == "train"))["message"]
    pairs = dataset.pairs.filter((pl.col("family") == "stated") & (pl.col("split") == "train"))
    answers = {*on, *pairs["chosen"], *pairs["rejected"]}
    revealed = space.records(dataset, "revealed", "train", answers)
    few = min(len(stated), len(revealed))
    return _thinned(stated, few), _thinned(revealed, few)


def _thinned(data: Records, keep: int) -> Records:
    order = sorted(range(len(data)), key=lambda row: blake2b(f"thin/{row}".encode(), digest_size=8).digest())
    return data.only(np.array(sorted(order[:keep]), dtype=int))


def held_out(dataset: datasets.DatasetFolder, space: Space) -> Evaluation:
    """Every answer with a label whose people are in the test split."""
    test = (
        dataset.unpaired.filter(pl.col("split") == "test")
        .group_by("message")
        .agg(pl.col("prompt_key").first(), pl.col("people").first(), pl.col("weight").max())
        .sort("prompt_key", "message")
    )
    keys = test["prompt_key"].to_numpy()
    people: dict[str, int] = {}
    units = tuple(tuple(people.setdefault(p, len(people)) for p in unit) for unit in test["people"].to_list())
    return Evaluation(
        x=space.x[[space.row_of[message] for message in test["message"]]],
        weight=test["weight"].to_numpy(),
        starts=np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.array([], dtype=int),
        units=units,
        people=tuple(people),
        messages=tuple(test["message"]),
        prompt_keys=tuple(keys),
    )


def _scorers(
    dataset: datasets.DatasetFolder, space: Space, scores: dict[str, np.ndarray], seed: int
) -> dict[str, dict[str, float]]:
    """The models, and two that know nothing: length alone, and a model of shuffled labels."""
    data = space.records(dataset, next(iter(scores)), "train")
    random = np.random.default_rng([seed, 6])
    shuffled = data.p.copy()
    # Pairs are shuffled by turning each round or not, unpaired labels by changing places.
    shuffled[data.alone] = random.permutation(shuffled[data.alone])
    turned = ~data.alone & (random.random(len(data)) < 0.5)
    shuffled[turned] = 1 - shuffled[turned]
    nothing = head.fit(Records(**{**vars(data), "p": shuffled}))
    columns = {
        **scores,
        "length only": dataset.texts["answer"].str.len_chars().to_numpy().astype(float),
        "shuffled labels": space.x @ nothing.w,
    }
    return {name: {m: float(column[row]) for m, row in space.row_of.items()} for name, column in columns.items()}


def _estimator(
    estimate: halves.Estimate | None, by_size: list[dict[str, Any]], space: Space, replicates: int
) -> dict[str, Any]:
    ratio = estimate.se_ratio if estimate else None
    return {
        "splits": halves.SPLITS,
        "bootstrap": replicates,
        "by_size": by_size,
        "refit_check": {
            "refits": halves.REFITS if ratio is not None else 0,
            "se_ratio": ratio,
            "used": "refits" if estimate and estimate.refitted else "influence",
        },
        "effective_users_per_half": estimate.people_per_half if estimate else None,
        "components": int(space.reduction.directions.shape[1]),
        "variance_held": space.reduction.held,
    }


def _provenance(
    dataset: datasets.DatasetFolder, manifests: dict[str, dict[str, Any]], seed: int
) -> dict[str, str | int | float]:
    return {
        "dataset": dataset.digest,
        "recipe": dataset.recipe.name,
        **{f"{family} model": manifest["model_hash"] for family, manifest in manifests.items()},
        "base model": next(iter(manifests.values()))["base_model"],
        "seed": seed,
        "unspoken": __version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "polars": pl.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
