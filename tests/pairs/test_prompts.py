"""Which prompts are one, what they are about, where they stand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from unspoken.frames import EPISODES
from unspoken.pairs.prompts import NOBODY, OTHER_SIDE, openings, places, with_topics
from unspoken.pairs.recipe import named
from unspoken.pairs.split import side

LONG = "How do I keep basil alive on my windowsill through the winter, when there is little light?"
PEOPLE = {wanted: next(p for p in map(str, range(99)) if side([p], "unspoken/1", 0.3) == wanted)
          for wanted in ("test", "train")}  # fmt: skip


def units(*rows: dict[str, Any]) -> pl.DataFrame:
    """Answers to prompts that open a conversation; `text` goes into the key, as equal paths of text do."""
    filled = []
    for number, row in enumerate(rows):
        plain = {"message": f"a{number}", "prompt": f"q{number}", "turn": 0, "root": f"q{number}", "root_role": "user",
                 "user": PEOPLE["train"], "prompt_key": f"key{number}"}  # fmt: skip
        filled.append(plain | row)
    return pl.DataFrame(filled, schema=dict(EPISODES))


def told(texts: dict[str, str]):
    def text_of(ids: Sequence[str]) -> dict[str, str]:
        return {each: texts[each] for each in ids if each in texts}

    return text_of


def keys(frame: pl.DataFrame, texts: dict[str, str], recipe: str = "chat") -> list[str]:
    return places(frame, openings(frame, told(texts)), named(recipe))["prompt_key"].to_list()


def test_texts_are_asked_for_once_for_each_opening_prompt_and_none_that_comes_later():
    wanted: list[str] = []

    def text_of(ids: Sequence[str]) -> dict[str, str]:
        wanted.extend(ids)
        return dict.fromkeys(ids, "Hello there")

    found = openings(units({}, {"prompt_key": "key0"}, {"turn": 1, "prompt_key": "later"}), text_of)
    assert wanted == ["q0"]
    assert found.select("prompt_key", "text").rows() == [("key0", "Hello there")]


def test_openings_that_are_the_same_but_for_details_have_one_key():
    assert keys(units({}, {}, {}), {"q0": LONG, "q1": "Hi", "q2": LONG.upper() + "!"}) == ["key0", "key1", "key0"]


def test_under_another_opening_text_a_prompt_is_another():
    frame = units(*({"root_role": "system", "root_key": key} for key in ("brief", "brief", "rude")))
    assert keys(frame, {"q0": LONG, "q1": LONG + "?", "q2": LONG}) == ["key0", "key0", "key2"]


def test_a_later_prompt_has_to_be_equal():
    assert keys(units({}, {"turn": 1, "root": "q0"}), {"q0": LONG, "q1": LONG}) == ["key0", "key1"]


def test_without_a_text_a_prompt_is_known_by_its_key():
    assert keys(units({}, {"prompt_key": "key0"}, {}), {"q2": " "}) == ["key0", "key0", "key2"]


def test_a_prompt_of_both_sides_stands_on_one():
    frame = units({}, {"user": PEOPLE["test"], "prompt_key": "key0"}, {"user": None}, {"user": PEOPLE["test"]})
    found = places(frame, None, named("chat"))
    of_prompt = found["left_out"].to_list()
    assert sorted(map(str, of_prompt[:2])) == ["None", OTHER_SIDE]
    assert of_prompt[2:] == [NOBODY, None]
    together = places(frame, None, replace(named("chat"), prompts_apart=False))
    assert together["left_out"].to_list() == [None, None, NOBODY, None]


def test_a_topic_is_that_of_the_prompt_that_opened_the_path():
    about = ("basil plant soil water pot balcony leaf", "loan bank interest budget saving account debt")
    texts: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    for number in range(500):
        words = about[number % 2].split()
        texts[f"q{number}"] = f"{words[number % 5]} {words[(number + 1) % 7]} {words[(number + 3) % 7]} number {number}"
        rows.append({"turn": 0})
    rows.append({"turn": 1, "root": "q0"})
    frame = units(*rows)
    found = with_topics(frame, openings(frame, told(texts)))
    topic = found["topic"].to_list()
    assert len(set(topic)) == 2
    assert topic[-1] == topic[0] != topic[1]
    assert found.columns == frame.columns


def test_topics_that_the_chatbot_names_stay():
    frame = units({"topic": "garden"}, {})
    assert with_topics(frame, openings(frame, told({"q0": "a", "q1": "b"}))).equals(frame)
