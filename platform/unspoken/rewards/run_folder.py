"""A trained model on disk: a Hugging Face checkpoint and a manifest, which is written last."""

import hashlib
import json
from pathlib import Path
from typing import Any

from unspoken.errors import MissingRun

KIND = "reward model"


def write_manifest(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Adds `model_hash`, the SHA-256 of model.safetensors, and writes manifest.json."""
    with (folder / "model.safetensors").open("rb") as weights:
        manifest = {
            "kind": KIND,
            **manifest,
            "model_hash": hashlib.file_digest(weights, "sha256").hexdigest(),
        }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished run; MissingRun where there is none, or the model was withdrawn."""
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
    lacking = [key for key in ("family", "dataset", "trunk", "base_model", "model_hash") if key not in found]
    if found.get("kind") == KIND and (lacking or not (folder / "model.safetensors").is_file()):
        raise MissingRun(f"{folder} lacks {lacking[0] if lacking else 'model.safetensors'}. Train the run again.")
    if found.get("kind") != KIND:
        raise MissingRun(f"{folder} holds a {found.get('kind', 'thing of unknown kind')}; a trained model was needed.")
    if "withdrawn_at" in found:
        raise MissingRun(
            f"{folder} was withdrawn on {str(found['withdrawn_at'])[:10]}, because a user it was trained on was "
            "erased. Train it again, on a dataset made since."
        )
    return found
