"""Texts, joined when they are needed."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from unspoken.events import parse
from unspoken.frames import TEXTS
from unspoken.pairs.build import build
from unspoken.pairs.built import Built
from unspoken.pairs.recipe import named
from unspoken.pairs.texts import MOST_TURNS, PROMPT_CHARS, answers, needed, texts
from unspoken.signals.reading import frames


def chat(*lines: tuple[str, str, str | None, str], copied: str | None = None):
    """Messages, texts and the dataset of one conversation; `copied`: an answer of which somebody copied a piece."""
    events = [
        parse(
            {
                "id": f"{number:08x}-0000-4000-8000-000000000000", "kind": "message", "at": 1_790_000_000_000 + number,
                "conversation": "c", "message": name, "role": role, "text": text, "parent": parent,
                **({"user": "anna"} if role == "user" else {}),
            }
        )
        for number, (name, role, parent, text) in enumerate(lines)
    ]  # fmt: skip
    if copied:
        copy = {"id": f"{len(lines):08x}-0000-4000-8000-000000000000", "kind": "copy", "message": copied, "chars": 1}
        events.append(parse({**copy, "at": 1_790_000_001_000, "conversation": "c"}))
    messages, acts, text_of = frames(events, "5e" * 32)
    return messages, text_of, build(messages, acts, named("chat"))


def test_an_answer_is_read_with_the_whole_path_before_it():
    found = texts(
        *chat(
            ("s", "system", None, "Be brief."), ("q", "user", "s", "Where?"), ("a", "assistant", "q", "There."),
            ("n", "user", "a", "Sure?"), ("b", "assistant", "n", "Yes."),
            copied="a",
        )
    )  # fmt: skip
    before = [("system", "Be brief."), ("user", "Where?"), ("assistant", "There."), ("user", "Sure?")]
    turns = [{"role": role, "content": content} for role, content in before]
    expected = pl.DataFrame(
        [
            ("a", "Be brief.\nWhere?", turns[:2], "There.", False),
            ("b", "Be brief.\nWhere?\nThere.\nSure?", turns, "Yes.", True),
        ],
        schema=dict(TEXTS),
        orient="row",
    )
    assert_frame_equal(found, expected)


def test_of_a_long_path_the_end_is_kept():
    found = texts(*chat(("q", "user", None, "x" * 900 + "?"), ("a", "assistant", "q", "y" * 5000)))
    assert found["prompt"].to_list() == ["x" * (PROMPT_CHARS - 1) + "?"]
    assert found["answer"].str.len_chars().to_list() == [5000]


def test_of_a_deep_path_the_last_turns_are_kept():
    lines, above = [], None
    for turn in range(100):
        lines += [(f"q{turn}", "user", above, f"ask {turn}"), (f"a{turn:02}", "assistant", f"q{turn}", f"say {turn}")]
        above = f"a{turn:02}"
    turns = texts(*chat(*lines))["turns"]
    assert turns.list.len().max() == MOST_TURNS
    assert turns[-1][-1] == {"role": "user", "content": "ask 99"}


@pytest.fixture(scope="module")
def made(world) -> tuple[pl.DataFrame, dict[str, str], Built]:
    messages, events, text_of = frames(world, "5e" * 32)
    return messages, text_of, build(messages, events, named("chat-acts"))


def test_what_is_neutral_trains_nothing(made):
    _, _, built = made
    _, neutral = answers(built)
    train = built.unpaired.filter(split="train")
    paired = built.pairs.filter(split="train")
    assert neutral
    assert not neutral & {*train["message"], *paired["chosen"], *paired["rejected"]}


def test_the_texts_that_are_needed_are_enough(made):
    messages, text_of, built = made
    some = {message: text_of[message] for message in needed(messages, built)}
    assert_frame_equal(texts(messages, some, built), texts(messages, text_of, built))
    assert {*built.unpaired["message"], *built.pairs["chosen"], *built.pairs["rejected"]} <= some.keys()
