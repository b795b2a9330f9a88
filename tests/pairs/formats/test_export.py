"""An export is whole or not there, keeps families and splits apart, and the same dataset is the same bytes."""

import json
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pairs.formats.conftest import SAID, TEXTS_SAID, dataset, pair

from unspoken.errors import BadInput, TooLittleData
from unspoken.frames import TEXTS, empty
from unspoken.pairs.formats import FORMATS, named
from unspoken.pairs.formats.export import export


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_every_record_is_in_a_file_or_under_a_reason(small, tmp_path, form):
    manifest = export(small, form, tmp_path / "out")
    entered = sum(step["entered"] for step in manifest["funnel"])
    kept = sum(step["kept"] for step in manifest["funnel"])
    left_out = sum(drop["count"] for step in manifest["funnel"] for drop in step["dropped"])
    assert entered == sum({"pairs": len(small.pairs), "unpaired": len(small.unpaired)}[unit] for unit in form.units)
    assert kept == sum(each["records"] for each in manifest["files"]) == entered - left_out


@settings(max_examples=50)
@given(
    drawn=st.lists(
        st.builds(
            pair,
            st.sampled_from(sorted(SAID)),
            st.sampled_from(sorted(SAID)),
            p=st.floats(0.5, 1),
            margin=st.sampled_from([-2.0, 0.0, 2.0]),
            family=st.sampled_from(["stated", "revealed"]),
            split=st.sampled_from(["train", "test"]),
            user=st.sampled_from(["u1", "u2", None]),
        ),
        max_size=8,
    ),
    form=st.sampled_from([form for form in FORMATS.values() if "pairs" in form.units]),
    least_p=st.floats(0.5, 1),
)
def test_whatever_goes_in_adds_up(drawn, form, least_p):
    """Of any pairs, in any format: each pair is in a row or under one reason."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        try:
            manifest = export(dataset(out, drawn, [], TEXTS_SAID, back=("a1", "b2")), form, out, least_p=least_p)
        except TooLittleData:
            assert not out.exists()
            return
        rows = sum(_pairs_in(out / each["file"]) for each in manifest["files"])
    left_out = sum(drop["count"] for step in manifest["funnel"] for drop in step["dropped"])
    assert rows + left_out == len(drawn)


def _pairs_in(path):
    rows = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ndjson(path)
    return rows["rejected_messages"].list.len().sum() if "rejected_messages" in rows.columns else len(rows)


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_a_file_holds_one_family_and_one_split_and_says_so_in_each_row(small, tmp_path, form):
    manifest = export(small, form, tmp_path / "out")
    for each in manifest["files"]:
        path = tmp_path / "out" / each["file"]
        rows = pl.read_parquet(path) if form.suffix == "parquet" else pl.read_ndjson(path)
        assert set(rows["family"]) == {each["family"]} and len(rows) == each["rows"]
        assert each["file"].startswith(each["family"]) and each["split"] in each["file"]
        assert sha256(path.read_bytes()).hexdigest() == each["sha256"]


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_the_same_dataset_is_the_same_bytes(small, tmp_path, form):
    for name in ("one", "two"):
        export(small, form, tmp_path / name)
    assert {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()
    }


def test_a_family_and_a_split_can_be_asked_for(small, tmp_path):
    manifest = export(small, named("trl-reward"), tmp_path / "out", families=["revealed"], splits=["test"])
    assert [each["file"] for each in manifest["files"]] == ["revealed-test.jsonl"]
    assert manifest["funnel"] == [{"step": "revealed: pairs", "entered": 1, "kept": 1, "dropped": []}]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"README.md", "manifest.json", "revealed-test.jsonl"}


def test_the_least_probability_of_a_hard_label_can_be_moved(small, tmp_path):
    strict = export(small, named("trl-reward"), tmp_path / "strict", least_p=1.0)
    loose = export(small, named("trl-reward"), tmp_path / "loose", least_p=0.5)
    assert [sum(each["records"] for each in manifest["files"]) for manifest in (strict, loose)] == [5, 7]


@pytest.mark.parametrize("least_p", [0.4, 1.1])
def test_a_hard_label_is_never_the_less_probable_one(small, tmp_path, least_p):
    with pytest.raises(BadInput, match=r"\.5 to 1"):
        export(small, named("trl-reward"), tmp_path / "out", least_p=least_p)


def test_an_export_of_nothing_is_refused_with_the_reasons_and_leaves_no_folder(small, tmp_path):
    with pytest.raises(TooLittleData, match="expressed: pairs: 0 there"):
        export(small, named("trl-reward"), tmp_path / "out", families=["expressed"])
    lone = dataset(tmp_path, [pair("d1", "d2")], [], small.texts)
    with pytest.raises(TooLittleData, match=r"1 there, 1 left out \(what it answers is no turn"):
        export(lone, named("trl-reward"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_dataset_that_was_kept_without_texts_says_how_to_get_them(small, tmp_path):
    bare = dataset(tmp_path / "kept", [pair("a1", "a2")], [], empty(TEXTS))
    with pytest.raises(BadInput, match=r"without its texts.*unspoken pairs"):
        export(bare, named("parquet"), tmp_path / "out")


def test_an_export_replaces_an_export_and_nothing_else(small, tmp_path):
    out = tmp_path / "out"
    export(small, named("trl-reward"), out)
    export(small, named("trl-kto"), out, families=["revealed"], splits=["train"])
    assert json.loads((out / "manifest.json").read_text())["format"] == "trl-kto"
    assert {path.name for path in out.iterdir()} == {"README.md", "manifest.json", "revealed-train.jsonl"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("…")
    with pytest.raises(BadInput, match="holds something that is"):
        export(small, named("trl-reward"), tmp_path / "mine")
