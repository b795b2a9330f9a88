"""A dataset on disk is whole or is not there."""

import json
import re

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import unspoken
from unspoken.errors import BadInput, MissingRun
from unspoken.pairs import folder
from unspoken.pairs.build import build
from unspoken.pairs.recipe import named
from unspoken.pairs.texts import texts
from unspoken.signals.reading import frames


@pytest.fixture(scope="module")
def made(world):
    messages, events, text_of = frames(world, "5e" * 32)
    built = build(messages, events, named("chat-acts"), text_of=lambda ids: text_of)
    return built, texts(messages, text_of, built)


@pytest.fixture
def dataset(made, tmp_path):
    return folder.write(made[0], made[1], tmp_path / "dataset", {"simulated": True})


def test_what_was_written_is_read(made, dataset):
    built, texts = made
    found = folder.read(dataset)
    for name in ("labels", "pairs", "unpaired", "episodes", "acts", "replies"):
        assert_frame_equal(getattr(found, name), getattr(built, name))
    assert_frame_equal(found.texts, texts)
    assert (found.recipe, found.digest, found.funnel) == (built.recipe, built.digest, built.funnel)
    assert (found.signals, found.notes, found.about) == (built.signals, built.notes, {"simulated": True})
    assert found.accounts == json.loads(json.dumps(built.accounts))
    assert json.loads((dataset / "funnel.json").read_text()) == built.funnel


def test_the_manifest_names_the_version_and_the_digest_does_not_hang_on_it(made, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "__version__", "9.9.9")
    other = folder.write(made[0], made[1], tmp_path / "other")
    here, there = (json.loads((path / "manifest.json").read_text()) for path in (dataset, other))
    assert (here["version"], there["version"]) == (unspoken.__version__, "9.9.9")
    assert here["digest"] == there["digest"]


def test_the_same_dataset_is_the_same_files(made, dataset, tmp_path):
    other = folder.write(made[0], made[1], tmp_path / "other", {"simulated": True})
    assert {path.name: path.read_bytes() for path in dataset.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }


def test_without_its_manifest_a_folder_is_not_there(dataset):
    (dataset / "manifest.json").unlink()
    with pytest.raises(MissingRun, match=r"not a finished dataset.*unspoken pairs SOURCE"):
        folder.read(dataset)


def test_a_folder_that_was_never_made_is_not_there(tmp_path):
    with pytest.raises(MissingRun, match="not a finished dataset"):
        folder.read(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["{", "[]", "\0"])
def test_a_damaged_manifest_is_named(dataset, text):
    (dataset / "manifest.json").write_text(text)
    with pytest.raises(MissingRun, match=r"manifest\.json is damaged"):
        folder.read(dataset)


def test_a_run_is_no_dataset(dataset):
    (dataset / "manifest.json").write_text('{"kind": "run"}')
    with pytest.raises(MissingRun, match="holds a run, and a dataset was needed"):
        folder.read(dataset)


@pytest.mark.parametrize("name", ["acts.parquet", "replies.parquet", "label_model.json", "votes.json"])
def test_a_file_that_is_gone_is_named(dataset, name):
    (dataset / name).unlink()
    with pytest.raises(MissingRun, match=re.escape(f"lacks {name}")):
        folder.read(dataset)


def test_a_file_that_is_torn_is_named(dataset):
    (dataset / "rankings.json").write_text("{")
    with pytest.raises(MissingRun, match="is damaged"):
        folder.read(dataset)


def test_what_a_killed_process_left_beside_it_harms_nobody(made, dataset, tmp_path):
    half = tmp_path / ".dataset.unspoken-0123abcd" / "new"
    half.mkdir(parents=True)
    (half / "labels.parquet").write_bytes(b"half a file")
    assert folder.read(dataset).digest == made[0].digest
    folder.write(made[0], made[1], dataset)
    assert folder.read(dataset).digest == made[0].digest


def test_a_write_that_fails_leaves_the_old_dataset(made, dataset):
    built, _ = made
    with pytest.raises(AttributeError):
        folder.write(built, None, dataset, {"simulated": False})  # type: ignore[arg-type]  # fails halfway, as a full disk would
    assert folder.read(dataset).about == {"simulated": True}


def test_a_second_write_replaces_the_first(made, dataset):
    folder.write(made[0], made[1], dataset, {"simulated": False})
    assert folder.read(dataset).about == {"simulated": False}
    assert [path.name for path in dataset.parent.iterdir()] == [dataset.name]


@pytest.mark.parametrize("manifest", [None, '{"kind": "run"}', '{"name": "my web page"}', "[]"])
def test_a_folder_that_holds_something_else_is_not_overwritten(made, tmp_path, manifest):
    (tmp_path / "letters.txt").write_text("dear anna")
    if manifest:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(BadInput, match=re.escape(f"{tmp_path} holds something that is no dataset")):
        folder.write(made[0], made[1], tmp_path)
    assert (tmp_path / "letters.txt").read_text() == "dear anna"


def test_a_file_is_not_overwritten_either(made, tmp_path):
    (tmp_path / "letter").write_text("dear anna")
    with pytest.raises(BadInput, match="no dataset"):
        folder.write(made[0], made[1], tmp_path / "letter")


def test_an_empty_folder_and_one_that_is_not_there_yet_are_taken(made, tmp_path):
    (tmp_path / "empty").mkdir()
    folder.write(made[0], made[1], tmp_path / "empty")
    folder.write(made[0], made[1], tmp_path / "new" / "deeper")
    assert folder.read(tmp_path / "new" / "deeper").digest == folder.read(tmp_path / "empty").digest


def test_records_hold_ids_and_no_text(made):
    built, texts = made
    answers = set(texts["answer"])
    for frame in (built.labels, built.pairs, built.unpaired, built.episodes, built.acts):
        for name in frame.select(pl.selectors.string()).columns:
            assert not answers & set(frame[name])
