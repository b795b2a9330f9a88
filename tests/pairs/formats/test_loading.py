"""Every export is loaded by the library that trainers load with, by the configurations that its card names."""

import datasets
import pytest
from tests.pairs.formats.conftest import HOSTILE

from unspoken.pairs.formats import FORMATS, named
from unspoken.pairs.formats.export import export


@pytest.fixture
def load(tmp_path):
    datasets.disable_progress_bars()
    return lambda folder, name: datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_a_folder_loads_with_the_rows_that_its_manifest_counts(small, load, tmp_path, form):
    manifest = export(small, form, tmp_path / "out")
    found: dict[str, int] = {}
    columns: set[str] = set()
    for each in manifest["files"]:
        name = each["file"].rpartition("-")[0]
        rows = load(tmp_path / "out", name)
        found |= {f"{name}-{split}.{form.suffix}": len(rows[split]) for split in rows}
        columns |= {*rows[each["split"]].column_names}
    assert set(form.columns) <= columns
    assert found == {each["file"]: each["rows"] for each in manifest["files"]}


def test_no_sign_in_a_text_breaks_a_row(small, load, tmp_path):
    export(small, named("trl-reward"), tmp_path / "out", families=["stated"])
    assert load(tmp_path / "out", "stated")["train"][0]["chosen"] == [{"role": "assistant", "content": HOSTILE}]
