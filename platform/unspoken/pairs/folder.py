"""A dataset on disk: Parquet files and a manifest, which is written last, so that its being there means it is whole."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unspoken.errors import BadInput, MissingRun
from unspoken.frames import EPISODES, LABELS, PAIRS, TEXTS, UNPAIRED, check
from unspoken.pairs.build import Built
from unspoken.pairs.recipe import Recipe

_FRAMES = {"labels": LABELS, "pairs": PAIRS, "unpaired": UNPAIRED, "texts": TEXTS, "episodes": EPISODES}


@dataclass(frozen=True)
class DatasetFolder:
    """A dataset as the trainer and the report read it. `about`: project, simulated, facts, assumptions, truth."""

    path: Path
    recipe: Recipe
    labels: pl.DataFrame
    pairs: pl.DataFrame
    unpaired: pl.DataFrame
    texts: pl.DataFrame
    episodes: pl.DataFrame
    acts: pl.DataFrame
    funnel: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    notes: list[str]
    about: dict[str, Any]
    digest: str


def write(built: Built, texts: pl.DataFrame, folder: Path, about: dict[str, Any] | None = None) -> Path:
    """Write beside and move into place: a reader sees the old folder, the new one, or none, never half of one.

    BadInput where `folder` holds something that is not a dataset: nothing of anybody's is removed by a wrong --out.
    """
    folder = folder.absolute()
    if folder.exists() and not _replaceable(folder):
        raise BadInput(f"{folder} holds something that is not a dataset; name an empty folder or a new one.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    frames = {
        "labels": built.labels,
        "pairs": built.pairs,
        "unpaired": built.unpaired,
        "texts": texts,
        "episodes": built.episodes,
        "acts": built.acts,
    }
    for name, frame in frames.items():
        frame.write_parquet(beside / f"{name}.parquet")
    manifest = {
        "kind": "dataset",
        "digest": built.digest,
        "recipe": built.recipe.as_dict(),
        "funnel": built.funnel,
        "signals": built.signals,
        "notes": built.notes,
        "about": about or {},
        "rows": {name: len(frame) for name, frame in frames.items()},
    }
    (beside / "funnel.json").write_text(json.dumps(built.funnel, indent=1))
    (beside / "manifest.json").write_text(json.dumps(manifest, indent=1))
    # Moved away before it is removed: a folder half removed would be nobody's dataset, and in the way for ever.
    old = beside.with_name(f"{beside.name}.old")
    if folder.exists():
        folder.replace(old)
    beside.replace(folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder


def _replaceable(folder: Path) -> bool:
    if not folder.is_dir() or not any(folder.iterdir()):
        return folder.is_dir()
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == "dataset"


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
    gone = [name for name in (*_FRAMES, "acts") if not (folder / f"{name}.parquet").is_file()]
    if gone:
        raise MissingRun(f"{folder} lacks {gone[0]}.parquet. Delete the folder and make the dataset again.")
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
        about=manifest["about"],
        digest=manifest["digest"],
        **frames,
    )
