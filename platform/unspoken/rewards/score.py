"""Scores of a trained model for the answers of a dataset. Comparable within a prompt only."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file

from unspoken.errors import BadInput, MissingRun
from unspoken.pairs import folder as datasets
from unspoken.rewards import run_folder
from unspoken.rewards import trunk as trunks

Progress = Callable[[float, str], None]


def score(
    run: Path,
    dataset_folder: Path,
    out: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Writes (message, score) of every answer of the dataset to a Parquet file, through the checkpoint itself.

    BadInput where `out` is a folder, before anything is computed.
    """
    if out.is_dir():
        raise BadInput(f"{out} is a folder; name the Parquet file to write, as in {out / 'scores.parquet'}.")
    run_folder.manifest(run)
    texts = datasets.read(dataset_folder).texts
    pairs = list(texts.select("prompt", "answer").iter_rows())
    distinct = list(dict.fromkeys(pairs))
    of = dict(zip(distinct, of_pairs(run, distinct, device, threads, progress), strict=True))
    scores = pl.DataFrame({"message": texts["message"], "score": [float(of[pair]) for pair in pairs]})
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.part")
    try:
        scores.write_parquet(beside)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return scores


def of_pairs(
    run: Path, pairs: list[tuple[str, str]], device: str, threads: int, progress: Progress | None
) -> np.ndarray:
    """Scores (n,) of (prompt, answer) pairs: the head on the checkpoint's own trunk."""
    model = trunks.load(str(run), device, threads)
    features = trunks.encode(model, pairs, progress)
    return on_features(run, features)


def on_features(run: Path, features: np.ndarray) -> np.ndarray:
    """Scores (n,) from features that the same frozen trunk made, shape (n, hidden)."""
    run_folder.manifest(run)
    try:
        weights = load_file(run / "model.safetensors")
        weight, bias = weights["classifier.weight"].astype(np.float64)[0], float(weights["classifier.bias"][0])
    except (SafetensorError, KeyError) as error:
        raise MissingRun(f"{run / 'model.safetensors'} is damaged ({error}). Train the run again.") from error
    return np.asarray(features.astype(np.float64) @ weight + bias)
