"""A dataset folder and a family to a run folder: features, reduction, head, checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from unspoken import folders
from unspoken.errors import BadInput
from unspoken.pairs import folder as datasets
from unspoken.pairs import same_prompt
from unspoken.rewards import features, head, run_folder
from unspoken.rewards import trunk as trunks
from unspoken.rewards.records import Records, records

FAMILIES = ("stated", "revealed")
Progress = Callable[[float, str], None]


def train(
    dataset_folder: Path,
    family: str,
    out: Path,
    *,
    base_model: str = "minilm",
    device: str = "cpu",
    seed: int = 0,
    threads: int = 1,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train on the train split of one family; the same dataset, base and seed give the same model hash on one device.

    Errors: MissingRun (dataset or base model), TooLittleData (no labels, one class), Unavailable (device).
    """
    if family not in FAMILIES:
        raise BadInput(f"There is no family {family!r} to train on; there are {' and '.join(FAMILIES)}.")
    say = progress or (lambda share, note: None)
    folders.check_replaceable(out, run_folder.KIND)
    dataset = datasets.read(dataset_folder)
    say(0.0, "loading the base model")
    trunk = trunks.load(base_model, device, threads)
    space = Space.of(dataset, trunk, cache, lambda share, note: say(0.05 + 0.85 * share, note))
    say(0.9, "fitting the head")
    data = space.records(dataset, family, split="train")
    fitted = head.fit(data)
    say(0.95, "writing the checkpoint")
    with folders.replacing(out, run_folder.KIND) as folder:
        simulated = bool(dataset.about.get("simulated"))
        _export(trunk, space.reduction, fitted, folder, simulated)
        manifest = run_folder.write_manifest(
            folder,
            {
                "family": family,
                "dataset": dataset.digest,
                "simulated": simulated,
                "base_model": base_model,
                "trunk": trunk.digest,
                "seed": seed,
                "labels": len(data),
                "pairs": int((~data.alone).sum()),
                "components": int(space.reduction.directions.shape[1]),
                "variance_held": space.reduction.held,
                "ridge": head.RIDGE,
                "newton_steps": fitted.steps,
                "torch": torch.__version__,
                "max_tokens": trunks.MAX_TOKENS,
            },
        )
    say(1.0, f"{family} model from {len(data):,} labels")
    return manifest


class Space:
    """The reduced features of a dataset's answers: what every head of it is fitted in."""

    def __init__(self, texts: pl.DataFrame, raw: np.ndarray, reduction: features.Reduction) -> None:
        self.raw = raw
        self.reduction = reduction
        self.x = reduction(raw)
        self.row_of = {message: row for row, message in enumerate(texts["message"])}

    @classmethod
    def of(
        cls, dataset: datasets.DatasetFolder, trunk: trunks.Trunk, cache: Path | None, progress: Progress | None = None
    ) -> "Space":
        """Features of every text of the dataset; components fitted on the texts that train neither arm."""
        raw = features.of_texts(dataset.texts, trunk, cache, progress)
        neutral = dataset.texts["neutral"].to_numpy()
        return cls(dataset.texts, raw, features.reduction(raw[neutral]))

    def records(
        self, dataset: datasets.DatasetFolder, family: str, split: str, answers: set[str] | None = None
    ) -> Records:
        """The records of one family and split, only of `answers` where given."""
        wanted = (pl.col("family") == family) & (pl.col("split") == split)
        # What was done to answers of one prompt and many users speaks in their unpaired p already: no act twice.
        pairs = dataset.pairs.filter(wanted & (pl.col("rule") != same_prompt.RULE))
        unpaired = dataset.unpaired.filter(wanted)
        if answers is not None:
            these = pl.Series(sorted(answers), dtype=pl.String).implode()
            pairs = pairs.filter(pl.col("chosen").is_in(these) & pl.col("rejected").is_in(these))
            unpaired = unpaired.filter(pl.col("message").is_in(these))
        return records(pairs, unpaired, self.row_of, self.x)


def _export(
    trunk: trunks.Trunk, reduction: features.Reduction, fitted: head.Fit, folder: Path, simulated: bool
) -> None:
    """r = (f − mean) @ directions @ w as the classifier's weight and bias: plain transformers gives the same scores."""
    weight = reduction.directions @ fitted.w
    model = trunk.model
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(weight[None]))
        model.classifier.bias.copy_(torch.tensor([-float(reduction.mean @ weight)], dtype=torch.float64))
    model.config.problem_type = "regression"
    model.config.simulated = simulated  # a checkpoint travels without its manifest: config.json says it too
    model.save_pretrained(folder)
    trunk.tokenizer.save_pretrained(folder)
