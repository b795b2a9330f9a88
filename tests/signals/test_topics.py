"""Topics of prompts, where the chatbot names none."""

import ast
import random
from collections import Counter
from inspect import getsource

import pytest

from unspoken.signals import topics as module
from unspoken.signals.topics import MOST, topics

ABOUT = {
    "garden": "basil plant soil water tomato pot balcony leaf seed light root bed compost herb",
    "money": "loan bank interest budget month saving account debt card rent wage tax price cost",
    "travel": "train ticket station flight hotel passport beach island map route border visa luggage tent",
}


def prompts(of: str, count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [f"How do I {' '.join(draw.sample(ABOUT[of].split(), 5))} number {n}?" for n in range(count)]


def test_prompts_about_one_thing_are_one_topic():
    texts = [text for seed, of in enumerate(ABOUT) for text in prompts(of, 40, seed)]
    found = topics(texts, 600)
    assert len(set(found)) == 3
    for start in range(0, 120, 40):
        ((_, most),) = Counter(found[start : start + 40]).most_common(1)
        assert most >= 36


def test_the_order_of_the_prompts_decides_nothing():
    texts = [text for seed, of in enumerate(ABOUT) for text in prompts(of, 30, seed)]
    shuffled = random.Random(1).sample(texts, len(texts))
    assert dict(zip(shuffled, topics(shuffled, 2000), strict=True)) == dict(
        zip(texts, topics(texts, 2000), strict=True)
    )


@pytest.mark.parametrize(("count", "answers"), [(0, 0), (1, 9000), (7, 9000), (90, 399)])
def test_too_little_is_one_topic(count, answers):
    assert set(topics(prompts("garden", count, 0), answers)) <= {"topic 1"}


def test_there_are_never_more_than_may_be():
    texts = [f"{a} {b} question" for a in range(40) for b in range(40)]
    assert len(set(topics(texts, 10**6))) <= MOST


@pytest.mark.parametrize("text", ["", "  ", "\ud800", "...", "好的 谢谢"])
def test_odd_texts_have_a_topic_too(text):
    texts = [*prompts("garden", 20, 0), *prompts("money", 20, 1), text]
    assert topics(texts, 9000)[-1].startswith("topic ")


def test_a_topics_name_holds_no_word_of_a_prompt():
    assert set(topics([*prompts("garden", 40, 0), *prompts("money", 40, 1)], 400)) <= {"topic 1", "topic 2"}


def test_it_is_not_given_an_answer():
    names = {node.arg for node in ast.walk(ast.parse(getsource(module))) if isinstance(node, ast.arg)}
    assert not names & {"episodes", "messages", "events", "answer"}
