"""Each format's rows are what its loader asks for, and what it cannot hold is counted and not bent to fit."""

import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tests.pairs.formats.conftest import HOSTILE

from unspoken.errors import BadInput
from unspoken.pairs.formats import FORMATS, named
from unspoken.pairs.formats.export import export
from unspoken.pairs.formats.records import records, rules

QUESTION = {"role": "user", "content": "What is a hazard?"}
TALK = [
    {"role": "system", "content": "Be brief."},
    QUESTION,
    {"role": "assistant", "content": "A rate."},
    {"role": "user", "content": "Of what?"},
]
PAIRED = [form for form in FORMATS.values() if form.units == ("pairs",)]
WITHOUT_MARGIN = [form for form in PAIRED if not form.holds_margin]


@pytest.fixture
def written(small, tmp_path):
    """Rows of a format, by its name, family and split, as a reader of JSON lines finds them."""

    def write(name, family="revealed", split="train"):
        if not (tmp_path / name).exists():
            export(small, named(name), tmp_path / name)
        lines = (tmp_path / name / f"{family}-{split}.jsonl").read_text("utf-8").split("\n")
        assert lines.pop() == ""
        return [json.loads(line) for line in lines]

    return write


def dropped(small, form, unit="pairs"):
    """Which records of the revealed family are left out of a format: reason → chosen and rejected, or message."""
    left = records(small, unit).filter(pl.col("family") == "revealed")
    names = ["message"] if unit == "unpaired" else ["chosen_message", "rejected_message"]
    found = {}
    for reason, drops in rules(form, unit, 0.75):
        gone = left.filter(drops.fill_null(False))
        left = left.filter(~drops.fill_null(False))
        if len(gone):
            found[reason.partition(":")[0]] = gone.select(names).rows()
    return found


def said(text):
    return {"role": "assistant", "content": text}


def test_a_format_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(BadInput, match=r"'trl'; there are trl-reward, trl-dpo, .*parquet"):
        named("trl")


@pytest.mark.parametrize("name", ["trl-reward", "openrlhf"])
def test_rows_with_a_prompt_are_conversations_and_say_their_margin(written, name):
    first, second, *_ = written(name)
    assert {key: first[key] for key in ("prompt", "chosen", "rejected", "margin")} == {
        "prompt": [QUESTION],
        "chosen": [said("Answer a1, which goes on.")],
        "rejected": [said("Answer a2, which goes on.")],
        "margin": 2.0,
    }
    assert (second["chosen_message"], second["margin"]) == ("b1", -2.0)
    assert written(name, split="test")[0]["prompt"] == TALK


def test_a_text_of_any_signs_comes_back_as_it_was(written):
    (row,) = written("trl-reward", "stated")
    assert row["chosen"] == [said(HOSTILE)]


def test_a_kto_label_is_true_or_false(written):
    assert [(row["message"], row["label"]) for row in written("trl-kto")] == [("a1", True), ("c1", True)]
    assert [(row["message"], row["label"]) for row in written("trl-kto", split="test")] == [("a2", False)]
    assert written("trl-kto")[0]["completion"] == [said("Answer a1, which goes on.")]


def test_axolotls_reward_rows_always_say_a_system_text_and_have_one_turn(written, small):
    assert [(row["system"], row["input"]) for row in written("axolotl-rm")] == [("", "What is a hazard?")] * 3
    opened = named("axolotl-rm").shape(records(small, "pairs").filter(pl.col("chosen_message") == "b1"))
    assert opened.select("system", "input", "chosen").row(0) == (
        "Be brief.", "What is a hazard?", "Answer b1, which goes on.",
    )  # fmt: skip
    assert dropped(small, named("axolotl-rm"))["more than one turn"] == [("c1", "c2")]


def test_axolotls_dpo_rows_are_messages_and_two_turns(written):
    (row,) = written("axolotl-dpo", split="test")
    assert (row["messages"], row["chosen"], row["rejected"]) == (
        TALK, said("Answer c1, which goes on."), said("Answer c2, which goes on."),
    )  # fmt: skip


def test_llama_factory_gets_an_odd_number_of_turns_a_persons_first_and_last(written, small, tmp_path):
    for row in [*written("llama-factory"), *written("llama-factory", split="test")]:
        speakers = [turn["from"] for turn in row["conversations"]]
        speakers = speakers[1:] if speakers[0] == "system" else speakers
        assert speakers == ["human", "gpt"] * (len(speakers) // 2) + ["human"]
        assert row["chosen"]["from"] == row["rejected"]["from"] == "gpt"
    about = json.loads((tmp_path / "llama-factory" / "dataset_info.json").read_text())
    assert about["unspoken-revealed-train"] == {
        "file_name": "revealed-train.jsonl",
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
    }
    assert all((tmp_path / "llama-factory" / each["file_name"]).is_file() for each in about.values())


def test_llama_factorys_kto_ends_with_the_answer_and_its_tag(written, tmp_path):
    assert [(row["conversations"][-1], row["kto_tag"]) for row in written("llama-factory-kto", split="test")] == [
        ({"from": "gpt", "value": "Answer a2, which goes on."}, False)
    ]
    about = json.loads((tmp_path / "llama-factory-kto" / "dataset_info.json").read_text())["unspoken-revealed-train"]
    assert about["columns"] == {"messages": "conversations", "kto_tag": "kto_tag"}
    assert "ranking" not in about


@pytest.mark.parametrize(
    ("roles", "held"),
    [
        (["user"], True),
        (["system", "user"], True),
        (["user", "assistant", "user"], True),
        (["user", "user"], False),
        (["user", "assistant", "tool"], False),
        (["user", "system", "user"], False),
        (["assistant", "user"], False),
    ],
)
def test_llama_factory_takes_only_turns_that_alternate(small, roles, held):
    turns = pl.lit(
        [{"role": role, "content": "x"} for role in roles],
        pl.List(pl.Struct(dict.fromkeys(("role", "content"), pl.String))),
    )
    frame = records(small, "pairs").head(1).with_columns(turns.alias("turns"), roles=pl.lit(" ".join(roles)))
    ((_, drops),) = named("llama-factory").cannot
    assert frame.filter(drops).is_empty() == held


def test_swift_ends_its_messages_with_the_chosen_answer(written):
    (row,) = written("ms-swift", split="test")
    assert (row["messages"], row["rejected_response"], row["margin"]) == (
        [*TALK, said("Answer c1, which goes on.")], "Answer c2, which goes on.", 2.0,
    )  # fmt: skip


def test_nemo_gets_exactly_two_completions_the_better_ranked_lower(written):
    (row,) = written("nemo-rl", split="test")
    assert row["context"] == TALK
    assert row["completions"] == [
        {"rank": 0, "completion": [said("Answer c1, which goes on.")]},
        {"rank": 1, "completion": [said("Answer c2, which goes on.")]},
    ]


def test_verl_gets_plain_texts_of_single_questions(small, tmp_path):
    export(small, named("verl"), tmp_path / "verl")
    rows = pl.read_parquet(tmp_path / "verl" / "revealed-train.parquet")
    assert rows.select("prompt", "chosen", "rejected").row(0) == (
        "What is a hazard?", "Answer a1, which goes on.", "Answer a2, which goes on.",
    )  # fmt: skip
    assert rows.schema["prompt"] == rows.schema["chosen"] == rows.schema["rejected"] == pl.String
    opened = dropped(small, named("verl"))["more than one turn, or a system text"]
    assert {("c1", "c2")} <= {*opened}  # verl has no place for what was said before
    assert not {*rows["chosen_message"]} & {chosen for chosen, _ in opened}


def test_a_ranking_holds_all_that_one_answer_was_preferred_to(small):
    three = pl.concat([small.pairs[:1], small.pairs[:1].with_columns(rejected=pl.lit("a3"))])
    (row,) = named("k-wise").shape(records(replace(small, pairs=three), "pairs")).to_dicts()
    assert [(each["answer"], each["rank"]) for each in row["answers"]] == [
        ("Answer a1, which goes on.", 1), ("Answer a2, which goes on.", 2), ("Answer a3, which goes on.", 2),
    ]  # fmt: skip
    assert (row["prompt"], row["chosen_message"], row["rejected_messages"]) == ([QUESTION], "a1", ["a2", "a3"])


def test_parquet_leaves_nothing_out_and_keeps_what_the_others_cannot(small, tmp_path):
    export(small, named("parquet"), tmp_path / "all")
    pairs = pl.concat(pl.read_parquet(path) for path in sorted((tmp_path / "all").glob("*-pairs-*")))
    singles = pl.concat(pl.read_parquet(path) for path in sorted((tmp_path / "all").glob("*-unpaired-*")))
    assert len(pairs) == len(small.pairs) and len(singles) == len(small.unpaired)
    soft = pairs.filter(pl.col("rule") == "same-prompt/1")
    assert soft["p"].to_list() == [0.6, 0.9]
    assert {"margin", "weight", "evidence", "split", "family", "people", "prompt", "chosen", "rejected"} <= {
        *pairs.columns
    }
    assert singles.filter(pl.col("message") == "a4")["answer"].item() == HOSTILE


@pytest.mark.parametrize("form", WITHOUT_MARGIN, ids=lambda form: form.name)
def test_a_format_without_a_margin_gets_of_siblings_only_those_that_somebody_went_back_to(small, form):
    reason = "the last generated answer was kept"
    assert dropped(small, replace(form, cannot=()))[reason] == [("b1", "b2")]


@pytest.mark.parametrize("form", PAIRED, ids=lambda form: form.name)
def test_each_format_leaves_out_what_has_no_text_and_what_answers_nobody(small, form):
    found = dropped(small, form)
    assert found["an answer without text"] == [("a1", "a5")]
    assert found["what it answers is no turn of a user or a tool"] == [("d1", "d2")]


def test_two_answers_of_the_same_text_are_no_pair(small):
    same = small.texts.with_columns(answer=pl.lit("The same."))
    alike = replace(small, texts=same)
    assert len(dropped(alike, named("trl-reward"))["both answers are the same text"]) == 7


def test_the_table_of_the_documentation_is_the_formats():
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    said = re.findall(r"^\| `([a-z-]+)` \| (.*?) \| (yes|no) \| (yes|no|–) \| (.*?) ?\|$", text, re.MULTILINE)
    assert [(name, tuple(re.findall(r"`(\w+)`", columns))) for name, columns, *_ in said] == [
        (form.name, form.columns) for form in FORMATS.values()
    ]
    for name, _, p, margin, cannot in said:
        form = named(name)
        assert (p == "yes") == form.holds_p
        assert margin == ("–" if "pairs" not in form.units else "yes" if form.holds_margin else "no")
        assert cannot == ", ".join(reason for reason, _ in form.cannot)
