"""End to end on a small world: the report holds what is promised, draws, and is plain JSON."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from unspoken.errors import BadInput, MissingRun
from unspoken.pairs import folder
from unspoken.report.compare import compare, held_out, matched
from unspoken.report.render import render, write_report
from unspoken.rewards import run_folder, trunk
from unspoken.rewards.train import Space

KEYS = {
    "": {
        "title", "project", "simulated", "generated_at", "facts", "assumptions", "verdict", "funnel", "signals",
        "association", "matrix", "reliability", "estimator", "parted", "provenance",
    },
    "verdict": {
        "label", "sentence", "reason", "labels_sentence", "gap", "rho", "truth", "margin", "labels_needed",
    },
    "funnel": {"step", "entered", "kept", "dropped"},
    "signals": {"family", "signal", "events", "answers", "share"},
    "association": {"stated", "revealed", "n", "statistic", "estimate", "low", "high"},
    "matrix": {"train", "test", "metric", "estimate", "low", "high", "pairs"},
    "reliability": {"family", "estimate", "low5", "low", "high"},
    "parted": {"message", "prompt", "answer", "stated", "revealed", "difference"},
    "estimator": {
        "splits", "bootstrap", "by_size", "refit_check", "effective_users_per_half", "components", "variance_held",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def report(loop):
    return compare(loop.dataset, loop.stated, loop.revealed, cache=loop.cache, replicates=100)


@pytest.mark.parametrize("part", KEYS)
def test_the_report_holds_what_the_page_reads(report, part):
    value = report[part] if part else report
    for row in value if isinstance(value, list) else [value]:
        assert set(row) >= KEYS[part]
    assert value


def test_the_report_says_that_it_is_simulated_and_what_the_truth_is(report):
    assert report["simulated"] is True
    assert report["verdict"]["truth"] == {"rho": 0.3}
    assert any("SIMULATED" in fact for fact in report["facts"])


def test_each_model_and_each_baseline_is_tested_on_each_family(report):
    models = ["stated", "revealed", "length only", "shuffled labels"]
    assert [(row["train"], row["test"]) for row in report["matrix"]] == [
        (model, test) for test in ("stated", "revealed") for model in models
    ]


def test_the_report_is_plain_json_and_draws(report, tmp_path):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert "<html" in write_report(report, tmp_path / "report").read_text("utf-8")
    assert {file.name for file in (tmp_path / "report").iterdir()} == {"index.html", "report.json", "manifest.json"}


def test_the_same_models_give_the_same_report(loop, report):
    again = compare(loop.dataset, loop.stated, loop.revealed, cache=loop.cache, replicates=100)
    assert {**again, "generated_at": ""} == {**report, "generated_at": ""}


@pytest.mark.parametrize("missing", ["stated", "revealed"])
def test_a_family_without_a_model_means_cannot_tell_and_still_draws(loop, missing):
    runs = {"stated": loop.stated, "revealed": loop.revealed, missing: None}
    found = compare(loop.dataset, **runs, cache=loop.cache, replicates=20)
    assert found["verdict"]["label"] == "cannot tell"
    assert f"no {missing} model" in found["verdict"]["reason"]
    assert found["reliability"] == found["parted"] == []
    json.dumps(found, allow_nan=False)
    assert "cannot tell" in render(found)


def test_without_any_model_there_is_nothing_to_report(loop):
    with pytest.raises(BadInput, match=r"no model to report on.*unspoken train"):
        compare(loop.dataset, None, None)


def test_a_model_given_for_the_other_family_is_refused(loop):
    with pytest.raises(BadInput, match="given as --stated was trained on revealed labels"):
        compare(loop.dataset, loop.revealed, loop.stated)


def test_a_run_without_its_manifest_is_refused(loop, tmp_path):
    torn = shutil.copytree(loop.stated, tmp_path / "torn")
    (torn / "manifest.json").unlink()
    with pytest.raises(MissingRun, match="unspoken train"):
        compare(loop.dataset, torn, loop.revealed)


def other(run, out, **changes):
    """A copy of the run whose manifest says something else."""
    shutil.copytree(run, out)
    (out / "manifest.json").write_text(json.dumps(run_folder.manifest(run) | changes))
    return out


def test_a_model_of_another_dataset_is_refused(loop, tmp_path):
    with pytest.raises(BadInput, match="stated model was trained on another dataset"):
        compare(loop.dataset, other(loop.stated, tmp_path / "run", dataset="0" * 64), loop.revealed)


def test_models_of_two_base_models_are_refused(loop, tmp_path):
    with pytest.raises(BadInput, match="different base models"):
        compare(loop.dataset, other(loop.stated, tmp_path / "run", trunk="0" * 32), loop.revealed)


def test_a_base_model_that_changed_since_training_is_refused(loop, tmp_path):
    runs = {family: other(run, tmp_path / family, trunk="0" * 32) for family, run in
            (("stated", loop.stated), ("revealed", loop.revealed))}  # fmt: skip
    with pytest.raises(BadInput, match=r"base model .* is not the one"):
        compare(loop.dataset, **runs, cache=loop.cache)


@pytest.fixture
def space(loop, tiny_base):
    return Space.of(folder.read(loop.dataset), trunk.load(str(tiny_base)), loop.cache)


def test_both_arms_have_the_same_number_of_labels_on_the_same_answers(loop, space):
    dataset = folder.read(loop.dataset)
    stated, revealed = matched(dataset, space)
    assert len(stated) == len(revealed) > 100
    voted = dataset.unpaired.filter((pl.col("family") == "stated") & (pl.col("split") == "train"))["message"]
    paired = dataset.pairs.filter((pl.col("family") == "stated") & (pl.col("split") == "train"))
    answers = [space.row_of[message] for message in {*voted, *paired["chosen"], *paired["rejected"]}]
    of_answers = {row.tobytes() for row in space.x[answers]}
    assert {row.tobytes() for row in revealed.x[revealed.alone]} <= of_answers


def test_held_out_answers_stand_by_prompt_and_their_people_train_nothing(loop, space):
    evaluation = held_out(folder.read(loop.dataset), space)
    stated, revealed = matched(folder.read(loop.dataset), space)
    training = {person for data in (stated, revealed) for unit in set(data.unit) for person in data.people[unit]}
    assert not training & set(evaluation.people)
    assert list(evaluation.prompt_keys) == sorted(evaluation.prompt_keys)
    assert len(evaluation.starts) == len(set(evaluation.prompt_keys))
    assert len(set(evaluation.messages)) == len(evaluation) == len(evaluation.x)
    np.testing.assert_array_equal(evaluation.x[0], space.x[space.row_of[evaluation.messages[0]]])
    one = replace(evaluation, weight=np.ones(len(evaluation)))
    assert len(one) == len(evaluation)


def test_a_dataset_without_held_out_people_cannot_tell(loop, tmp_path):
    dataset = folder.read(loop.dataset)
    everyone = shutil.copytree(loop.dataset, tmp_path / "dataset")
    for name in ("pairs", "unpaired"):
        getattr(dataset, name).with_columns(split=pl.lit("train")).write_parquet(everyone / f"{name}.parquet")
    found = compare(everyone, loop.stated, loop.revealed, cache=loop.cache, replicates=20)
    assert found["verdict"]["label"] == "cannot tell"
    json.dumps(found, allow_nan=False)
    render(found)
