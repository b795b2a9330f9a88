"""A model that was trained on somebody who was erased is refused."""

import json
import shutil

import pytest

from unspoken.errors import MissingRun
from unspoken.rewards import run_folder
from unspoken.rewards.score import score


def test_a_withdrawn_run_scores_and_compares_nothing(loop, tmp_path):
    run = tmp_path / "stated"
    shutil.copytree(loop.stated, run)
    manifest = run_folder.manifest(run)
    (run / "manifest.json").write_text(json.dumps({**manifest, "withdrawn_at": "2026-10-01T12:00:00Z"}))
    with pytest.raises(MissingRun, match="withdrawn on 2026-10-01"):
        score(run, loop.dataset, tmp_path / "scores.parquet")
    assert not (tmp_path / "scores.parquet").exists()
