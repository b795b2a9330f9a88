"""`unspoken export pairs` and `unspoken export formats`, as a person runs them."""

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from unspoken.cli import app
from unspoken.pairs import folder
from unspoken.pairs.formats import FORMATS


@pytest.fixture
def labelled(small, tmp_path):
    """A dataset folder, as `unspoken pairs` writes it."""
    return folder.write(small, small.texts, tmp_path / "labelled", small.about)


def unspoken(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "120"}, prog_name="unspoken")


def test_a_dataset_becomes_a_trainers_files_and_says_what_was_left_out(labelled, tmp_path):
    said = unspoken(
        "export", "pairs", labelled, "--format", "trl-reward", "--family", "revealed", "--out", tmp_path / "o"
    )
    assert said.exit_code == 0, said.stderr
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    pairs = pl.read_parquet(labelled / "pairs.parquet").filter(pl.col("family") == "revealed")
    assert sum(step["entered"] for step in manifest["funnel"]) == len(pairs)
    assert f"{manifest['files'][0]['rows']:,} rows" in said.stdout and "README.md" in said.stdout
    first = json.loads((tmp_path / "o" / "revealed-train.jsonl").read_text("utf-8").split("\n")[0])
    assert first["prompt"][-1]["role"] == "user" and first["chosen"][0]["content"] != first["rejected"][0]["content"]


def test_every_format_has_a_line():
    said = unspoken("export", "formats").stdout.splitlines()
    assert [line.split()[0] for line in said] == list(FORMATS)
    assert all(len(line) <= 120 for line in said)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--format", "hh"], "There is no format called 'hh'; there are trl-reward"),
        (["--format", "trl-dpo", "--least-p", "0.2"], ".5 to 1"),
    ],
)
def test_what_cannot_be_is_an_error_with_a_way_out(labelled, tmp_path, arguments, error):
    said = unspoken("export", "pairs", labelled, *arguments, "--out", tmp_path / "o")
    assert said.exit_code == 2 and error in said.stderr
    assert not (tmp_path / "o").exists()


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    said = unspoken("export", "pairs", tmp_path, "--format", "trl-dpo", "--out", tmp_path / "o")
    assert said.exit_code == 2 and "is not a finished dataset" in said.stderr
