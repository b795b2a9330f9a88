"""A dataset written in a format: a file per family and split, the data card, and a manifest, which is written last."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import polars as pl

from unspoken import __version__, folders
from unspoken.errors import BadInput, TooLittleData
from unspoken.pairs import card
from unspoken.pairs.folder import DatasetFolder
from unspoken.pairs.formats.described import described
from unspoken.pairs.formats.format import Format, Unit
from unspoken.pairs.formats.records import LEAST_P, records, rules
from unspoken.pairs.funnel import Funnel

KIND = "export"
SPLITS = ("train", "test")


@dataclass(frozen=True)
class File:
    """One file of an export: `records` stand in its `rows` (a k-wise row holds several pairs)."""

    file: str
    family: str
    unit: Unit
    split: str
    records: int
    rows: int
    sha256: str


def export(
    dataset: DatasetFolder,
    form: Format,
    out: Path,
    families: Sequence[str] = (),
    splits: Sequence[str] = SPLITS,
    least_p: float = LEAST_P,
) -> dict[str, Any]:
    """Write the folder `out`, whole or not at all, and return its manifest.

    Each family has files of its own, so that families meet in no training by accident; none named: all that there are.
    `least_p` in [.5, 1]: formats with hard labels leave out what is less sure. BadInput where `out` is something else
    or the dataset was kept without texts; TooLittleData where nothing is left to write.
    """
    if not 0.5 <= least_p <= 1:
        raise BadInput(f"A label is at least as sure as a coin and at most certain: .5 to 1, and not {least_p:g}.")
    if dataset.texts.is_empty() and len(dataset.pairs) + len(dataset.unpaired):
        raise BadInput(
            f"{dataset.path} was kept without its texts. Make the dataset again from what it was made of: "
            "unspoken pairs SOURCE --out dataset, or unspoken pairs --project NAME --out dataset."
        )
    funnel, files, about = Funnel(), [], []
    with folders.replacing(out, KIND) as beside:
        for unit in form.units:
            found = records(dataset, unit).filter(pl.col("split").is_in(splits))
            for family in sorted(set(families) or set(found["family"])):
                of_family = found.filter(pl.col("family") == family)
                held = funnel.keep(f"{family}: {unit}", of_family, rules(form, unit, least_p))
                about += [described(unit, held)] if len(held) else []
                files += [
                    _write(beside, form, family, unit, split, of_split)
                    for split in splits
                    if len(of_split := held.filter(pl.col("split") == split))
                ]
        if not files:
            raise TooLittleData(f"Nothing is left to write as {form.name}: {_account(funnel)}.")
        if form.index:
            _json(beside / "dataset_info.json", form.index([each.file for each in files]))
        manifest = {
            "kind": KIND,
            "version": __version__,
            "format": form.name,
            "least_p": None if form.holds_p else least_p,
            "dataset": dataset.digest,
            "files": [asdict(each) for each in files],
            "funnel": funnel.steps,
            "records": about,
        }
        (beside / "README.md").write_text(card.card(dataset, form, manifest), encoding="utf-8")
        _json(beside / "manifest.json", manifest)
    return manifest


def _write(folder: Path, form: Format, family: str, unit: Unit, split: str, held: pl.DataFrame) -> File:
    name = "-".join((family, *([unit] if len(form.units) > 1 else []), split)) + f".{form.suffix}"
    rows = form.shape(held)
    if form.suffix == "parquet":
        rows.write_parquet(folder / name)
    else:
        rows.write_ndjson(folder / name)
    with (folder / name).open("rb") as written:
        digest = file_digest(written, "sha256").hexdigest()
    return File(name, family, unit, split, len(held), len(rows), digest)


def _account(funnel: Funnel) -> str:
    steps = [
        f"{step['step']}: {step['entered']:,} there"
        + "".join(f", {drop['count']:,} left out ({drop['reason']})" for drop in step["dropped"])
        for step in funnel.steps
    ]
    return "; ".join(steps) or "the dataset has no such records"


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
