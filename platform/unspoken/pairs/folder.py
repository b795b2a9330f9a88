"""A dataset on disk: Parquet files and a manifest, which is written last, so that its being there means it is whole."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unspoken import __version__, folders
from unspoken.errors import MissingRun
from unspoken.frames import EPISODES, LABELS, PAIRS, REPLIES, TEXTS, UNPAIRED, check
from unspoken.pairs.built import Built
from unspoken.pairs.recipe import Recipe

KIND = "dataset"
_FRAMES = {
    "labels": LABELS,
    "pairs": PAIRS,
    "unpaired": UNPAIRED,
    "texts": TEXTS,
    "episodes": EPISODES,
    "replies": REPLIES,
}
ACCOUNTS = ("label_model", "votes", "poisoning", "rankings")


@dataclass(frozen=True)
class DatasetFolder(Built):
    """A dataset as the trainer and the report read it. `about`: project, simulated, facts, assumptions, truth."""

    path: Path
    texts: pl.DataFrame
    about: dict[str, Any]


def write(built: Built, texts: pl.DataFrame, folder: Path, about: dict[str, Any] | None = None) -> Path:
    """Write the dataset folder; BadInput where there is something else (see unspoken.folders)."""
    frames = {
        "labels": built.labels,
        "pairs": built.pairs,
        "unpaired": built.unpaired,
        "texts": texts,
        "episodes": built.episodes,
        "acts": built.acts,
        "replies": built.replies,
    }
    with folders.replacing(folder, KIND) as beside:
        for name, frame in frames.items():
            frame.write_parquet(beside / f"{name}.parquet")
        manifest = {
            "kind": KIND,
            "version": __version__,
            "digest": built.digest,
            "recipe": built.recipe.as_dict(),
            "funnel": built.funnel,
            "signals": built.signals,
            "notes": built.notes,
            "about": about or {},
            "rows": {name: len(frame) for name, frame in frames.items()},
        }
        for name in ACCOUNTS:
            (beside / f"{name}.json").write_text(json.dumps(built.accounts[name], indent=1, allow_nan=False))
        (beside / "funnel.json").write_text(json.dumps(built.funnel, indent=1))
        (beside / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return folder


def read(folder: Path) -> DatasetFolder:
    """Read a dataset folder; MissingRun says what is missing."""
    manifest_path = folder / "manifest.json"
    if not manifest_path.is_file():
        raise MissingRun(
            f"{folder} is not a finished dataset: it has no manifest.json. "
            f"Make one: unspoken pairs SOURCE --out {folder}"
        )
    try:
        manifest = json.loads(manifest_path.read_text())
        kind = manifest.get("kind", "thing of unknown kind")
    except (ValueError, AttributeError):
        raise MissingRun(f"{manifest_path} is damaged. Delete {folder} and make the dataset again.") from None
    if kind != "dataset":
        raise MissingRun(f"{folder} holds a {kind}, and a dataset was needed.")
    files = [*(f"{name}.parquet" for name in (*_FRAMES, "acts")), *(f"{name}.json" for name in ACCOUNTS)]
    gone = [name for name in files if not (folder / name).is_file()]
    if gone:
        raise MissingRun(f"{folder} lacks {gone[0]}. Delete the folder and make the dataset again.")
    try:
        frames = {
            name: check(pl.read_parquet(folder / f"{name}.parquet"), schema, name) for name, schema in _FRAMES.items()
        }
        return DatasetFolder(
            path=folder,
            recipe=Recipe(**manifest["recipe"]),
            acts=pl.read_parquet(folder / "acts.parquet"),
            funnel=manifest["funnel"],
            signals=manifest["signals"],
            notes=manifest["notes"],
            accounts={name: json.loads((folder / f"{name}.json").read_text()) for name in ACCOUNTS},
            about=manifest["about"],
            digest=manifest["digest"],
            **frames,
        )
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise MissingRun(f"{folder} is damaged ({error}). Delete it and make the dataset again.") from error
