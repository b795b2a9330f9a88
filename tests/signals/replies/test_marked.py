"""The marked turns, and what the committed detector makes of them."""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from unspoken.events import EXPRESSED
from unspoken.signals.replies import TURNS, replies
from unspoken.signals.replies.classifier import CLASSES, measured, trained

MARKS = [json.loads(line) for line in (Path(__file__).parent / "turns.jsonl").read_text("utf-8").splitlines()]


def said(marks, encode=None):
    rows = [
        {"message": f"{i:04}", "reply": f"{i:04}", "text": mark["reply"], "before": mark["before"], "seconds": 60.0}
        for i, mark in enumerate(marks)
    ]
    found = replies(pl.DataFrame(rows, schema=dict(TURNS)), encode)
    return dict(found.select("message", "reply_class").iter_rows())


def precision(marks, found):
    right = sum(found[f"{i:04}"] == mark["class"] for i, mark in enumerate(marks) if f"{i:04}" in found)
    return right / len(found)


def test_the_marked_turns_are_many_of_every_class_in_many_languages_and_each_once():
    assert len(MARKS) >= 560
    assert {mark["class"] for mark in MARKS} == {*EXPRESSED, "none"}
    assert min(Counter(mark["class"] for mark in MARKS).values()) >= 40
    assert sum(mark["lang"] != "en" for mark in MARKS) / len(MARKS) > 0.18
    assert len({(mark["before"], mark["reply"]) for mark in MARKS}) == len(MARKS)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt", "it", "nl", "zh", "ru"])
def test_rules_are_right_on_most_of_what_they_flag_in_every_language(language):
    marks = [mark for mark in MARKS if mark["lang"] == language]
    found = said(marks)
    assert precision(marks, found) > 0.8
    assert len(found) > len(marks) / 2


def test_with_the_encoder_flags_are_fewer_and_right_more_often():
    from unspoken.rewards import trunk

    loaded = trunk.load("minilm")
    marks = MARKS[::7]
    rules, validated = said(marks), said(marks, lambda texts: trunk.sentences(loaded, texts))
    assert len(marks) / 3 < len(validated) < len(rules)
    assert precision(marks, validated) > max(0.93, precision(marks, rules))


def test_the_committed_weights_and_rates_belong_together():
    assert trained().weights.shape == (384 + 5 + 1, len(CLASSES))
    for way in ("rules", "validated"):
        assert set(measured()["rates"][way]) == set(EXPRESSED)
        assert all(0 < rate < 1 for row in measured()["rates"][way].values() for rate in row.values())
