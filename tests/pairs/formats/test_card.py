"""The data card says what is in an export, what was left out, and what the format and the labels cannot say."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from tests.pairs.formats.conftest import dataset, pair, single

from unspoken.pairs.card import LENGTH
from unspoken.pairs.formats import FORMATS, named
from unspoken.pairs.formats.export import export
from unspoken.signals.anchors import Anchors

ROOT = Path(__file__).parents[3]


@pytest.fixture
def carded(small, tmp_path):
    """The card of an export, as its front matter and its text."""

    def write(name, of=small, **settings):
        export(of, named(name), tmp_path / name, **settings)
        _, front, text = (tmp_path / name / "README.md").read_text("utf-8").split("---\n", 2)
        return yaml.safe_load(front), text

    return write


def cell(text, row, column):
    """A cell of a table by the first cell of its row and of its column."""
    lines = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in text.splitlines()]
    (head,) = (line for line in lines if line[0].strip("| ") == "" and column in line)
    return next(line for line in lines if line[0] == row)[head.index(column)]


@pytest.mark.parametrize("name", FORMATS)
def test_its_front_matter_names_the_files_of_each_family(carded, tmp_path, name):
    front, _ = carded(name)
    paths = [file["path"] for each in front["configs"] for file in each["data_files"]]
    assert sorted(paths) == sorted(path.name for path in (tmp_path / name).iterdir() if "-" in path.name)
    assert {each["config_name"].partition("-")[0] for each in front["configs"]} == {"revealed", "stated"}
    assert "license" not in front  # the owner's to choose


def test_it_counts_what_was_left_out_before_and_now(carded):
    _, text = carded("trl-dpo")
    assert "| answers | 9 | 7 |" in text and "| −2 | too late |" in text
    assert "| revealed: pairs | 8 | 4 |" in text
    assert re.search(r"−1 \| the last generated answer was kept: this needs a margin", text)


def test_it_says_what_the_format_cannot_hold(carded):
    _, dpo = carded("trl-dpo")
    assert "**Soft labels.**" in dpo and "**Weights.**" in dpo and "**Margins.**" in dpo
    _, reward = carded("trl-reward")
    assert "**Soft labels.**" in reward and "**Margins.**" not in reward
    _, single_turn = carded("axolotl-rm")
    assert "**More than one turn.** Left out, never flattened." in single_turn
    _, all_of_it = carded("parquet")
    assert "Nothing: records are as they are in the dataset." not in all_of_it  # its pairs of two prompts
    assert "**Soft labels.**" not in all_of_it and "2 pairs join prompts that are alike" in all_of_it


def test_simulated_people_are_said_to_be_none(carded, small, tmp_path):
    assert "Simulated: these people do not exist" in carded("trl-kto")[1]
    real = dataset(tmp_path, [pair("a1", "a2")], [], small.texts, simulated=False)
    assert "these people do not exist" not in carded("trl-reward", real)[1]


def test_lengths_are_of_what_is_exported(carded, small, tmp_path):
    long = small.texts.with_columns(
        answer=small.texts["answer"].replace(
            {"Answer a1, which goes on.": "x" * 4_000, "Answer a2, which goes on.": "y"}
        )
    )
    one = dataset(tmp_path, [pair("a1", "a2"), pair("b1", "b2", user=None, people=["u1", "u2"])], [], long)
    _, text = carded("trl-reward", one)
    column = "revealed pairs"
    assert cell(text, "chosen: all have up to … characters", column) == "4,000"
    assert cell(text, "over about 512 tokens", column) == "50.0%"  # 4,017 characters with its prompt, by four
    assert cell(text, "over about 1,024 tokens", column) == "0.0%"
    assert cell(text, "the longer answer is the chosen one", column) == "75.0%"  # one longer, one equal
    assert cell(text, "people", column) == "2"


def test_it_shows_what_the_cap_on_one_person_was_for(carded, small, tmp_path):
    heavy = [single(name, 1.0, weight=0.25) for name in ("a1", "a2", "b1")]
    of = dataset(tmp_path, [], [*heavy, single("c1", 1.0, user="u2", people=["u2"])], small.texts)
    _, text = carded("trl-kto", of)
    assert cell(text, "the most records of one person", "revealed unpaired") == "75.0%"
    assert cell(text, "the most weight of one person", "revealed unpaired") == "57.1%"  # .75 and 1


def test_a_strangers_words_stay_words(carded, small, tmp_path):
    name = 'x"\n---\n# <script>a</script> | [here](javascript:b) `c`'
    of = dataset(tmp_path, [pair("a1", "a2")], [], small.texts, project=name, facts=["one\n\n# two", "<b>"])
    front, text = carded("trl-reward", of)
    assert front["pretty_name"].startswith('x" --- # <script>')
    assert (
        "<script>" not in text and "<b>" not in text and "\n# two" not in text and not re.search(r"(?<!\\)\]\(", text)
    )
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


def test_the_label_model_and_the_rules_are_named(carded):
    _, text = carded("parquet")
    assert "`factor/1`" in text and "| stop | -0.61 | 0.05 | 0.90 |" in text
    assert "| close, where the topic is t3 | +0.20 | 0.10 | – |" in text
    assert "1 of 1 pairs of signals are tied" in text and "(cut off): worth -0.80 ± 0.20 sd: right." in text
    assert "| revealed | pairs | siblings/1 | 6 | 5.5 | 1.00 |" in text
    assert "| stated | unpaired | vote/1 | 1 | 1.0 | 0.00 |" in text


def test_labels_that_nothing_tested_are_said_to_be_untested(carded, small):
    assert "nothing tested these labels" not in carded("parquet")[1]
    model = small.accounts["label_model"]
    untested = replace(small, accounts={**small.accounts, "label_model": {**model, "anchors": asdict(Anchors())}})
    assert "No planted anchor: nothing tested these labels." in carded("trl-reward", untested)[1]


def test_what_a_margin_leaves_of_length_is_said_where_there_are_margins(carded, small):
    said = f"a liking for length of {LENGTH['length_by_margin']:.3f}"
    assert said in carded("trl-reward")[1]
    assert said not in carded("trl-dpo")[1]
    flat = replace(small, pairs=small.pairs.with_columns(margin=pl.lit(0.0)))
    assert said not in carded("openrlhf", flat)[1]


def test_the_length_that_margins_leave_is_the_measured_one():
    figures = json.loads((ROOT / "benchmarks" / "results" / "labels.json").read_text())["figures"]
    for name, said in LENGTH.items():
        low, high = figures[f"{name}_95"]
        assert low <= said <= high, name
