"""A trained model on disk: a Hugging Face checkpoint and a manifest, which is written last."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput, MissingRun


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A folder beside, moved into place when the block ends well, removed when it does not.

    A run that was there is replaced; BadInput where there is something else, which is left as it is.
    """
    if folder.exists() and not (folder / "manifest.json").is_file() and (folder.is_file() or any(folder.iterdir())):
        raise BadInput(f"{folder} holds something that is not a run; name an empty folder or a new one.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Adds `model_hash`, the SHA-256 of model.safetensors, and writes manifest.json."""
    with (folder / "model.safetensors").open("rb") as weights:
        manifest = {
            "kind": "reward model",
            **manifest,
            "model_hash": hashlib.file_digest(weights, "sha256").hexdigest(),
        }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished run; MissingRun where there is none."""
    file = folder / "manifest.json"
    if not file.is_file():
        raise MissingRun(
            f"{folder} is not a finished run: it has no manifest.json. Train one: unspoken train DATASET --family "
            f"stated --out {folder}"
        )
    try:
        found: dict[str, Any] = dict(json.loads(file.read_text()))
    except (ValueError, TypeError):
        raise MissingRun(f"{file} cannot be read: a JSON object was needed. Train the run again.") from None
    if found.get("kind") != "reward model":
        raise MissingRun(f"{folder} holds a {found.get('kind', 'thing of unknown kind')}; a trained model was needed.")
    return found
