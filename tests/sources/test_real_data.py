"""Every number that the importers claim of real logs, counted from the files beside the project, where they are."""

import gzip
import json
from collections import Counter

import pytest

from unspoken.pairs.build import build
from unspoken.pairs.built import Built
from unspoken.pairs.recipe import named
from unspoken.signals.reading import frames
from unspoken.sources import halie, halie_metaphor, oasst, realhumaneval


def built(events) -> Built:
    messages, acts, _ = frames(events, "5e" * 32)
    return build(messages, acts, named("chat"))


def kinds(events) -> dict[str, int]:
    return dict(Counter(event.kind for event in events))


@pytest.fixture(scope="session")
def trees(shared, importer):
    return importer(lambda reading: oasst.events(shared / "oasst100" / "en_100_tree.jsonl", reading))


@pytest.fixture(scope="session")
def dialogue(shared, importer):
    return importer(lambda reading: halie.events(shared / "halie" / "dialogue", reading))


@pytest.fixture(scope="session")
def metaphor(shared, importer):
    return importer(lambda reading: halie.events(shared / "halie" / "metaphor", reading))


@pytest.fixture(scope="session")
def code(shared, importer):
    path = shared / "realhumaneval" / "chat_data_half.csv"
    return importer(lambda reading: realhumaneval.events(path, reading))


def test_oasst_trees_become_732_pairs_of_ranked_answers(trees):
    events, _ = trees
    assert kinds(events) == {"message": 1167, "vote": 430, "choice": 417}
    assert len({event.chosen for event in events if event.kind == "choice"}) == 417
    made = built(events)
    assert made.pairs.filter(rule="choice/1").height == 732
    assert made.pairs["people"].list.len().unique().to_list() == [1]


def test_every_thumb_of_the_trees_is_a_vote_or_counted(trees):
    events, left = trees
    counted = sum(count for reason, count in left.items() if reason.startswith("a thumb"))
    assert counted + kinds(events)["vote"] == 1825 + 568


def test_halie_dialogues_are_as_many_as_the_source_says(dialogue):
    events, left = dialogue
    assert len({event.user for event in events if event.user}) == 189
    votes = Counter(event.value for event in events if event.kind == "vote")
    assert votes == {1: 1846, -1: 217}
    quality = [event for event in events if event.kind == "rating" and event.scale == "quality"]
    assert (len(quality), {event.message for event in quality}) == (189, {None})
    assert left == {"a survey's row without interestingness": 4, "a survey's row without boringness": 4}
    made = built(events)
    # Nothing is recorded of what they did with an answer but that they wrote on: that is no evidence by itself.
    assert (made.labels.filter(family="stated").height, made.labels.filter(family="revealed").height) == (2063, 0)


def test_halie_metaphors_have_behaviour_and_a_survey_of_the_same_people(metaphor):
    events, left = metaphor
    assert left["a session without a survey"] == 23
    assert len({event.conversation for event in events}) == 80
    assert len({event.user for event in events if event.user}) == 32
    assert len([event for event in events if event.kind == "rating"]) == 80 * len(halie_metaphor.SCALES)
    made = built(events)
    entered = {step["step"]: step["entered"] for step in made.funnel}
    assert entered["pairs"] == 1547  # of an answer taken and another of its list
    assert made.pairs.filter(rule="siblings/1").height == 1547 - 95  # whose prompts stand on both sides of the split
    revealed = made.labels.filter(family="revealed")
    assert set(revealed["rule"]) == {"acts/1 halved"}  # nothing else goes with a regenerate here: there is no factor
    assert revealed.height == 3279  # also the 29 of which the telemetry says nothing


@pytest.fixture(scope="session")
def steps(shared):
    with gzip.open(shared / "halie" / "metaphor" / halie_metaphor.TELEMETRY) as file:
        return [json.loads(line) for line in file]


def test_every_selection_of_a_metaphor_session_is_a_select_or_counted(metaphor, steps):
    events, left = metaphor
    sessions = {event.conversation for event in events}
    selected = [step for step in steps if step["eventName"] == "suggestion-select" and step["session_id"] in sessions]
    assert len(selected) == kinds(events)["select"] + left.get("suggestion-select, with no list open", 0)


def test_edits_are_put_together_to_the_sentences_that_were_added(steps):
    """The telemetry says each finished sentence once more, when the editor is emptied: an answer to check by."""
    text, before, right = "", "", Counter[bool]()
    for step in steps:
        if step["eventName"] == "system-initialize":
            text = step["currentDoc"]
        elif step["eventName"].startswith("text-"):
            text, before = halie_metaphor._typed(text, step["textDelta"]), text
        elif step["eventName"] == "template-add":
            right[before.strip() == step["textDelta"].strip()] += 1
    assert right == {True: 945}


def test_real_human_eval_turns_and_copies_are_as_many_as_the_source_says(code):
    events, left = code
    assert left == {"an answer whose request is empty": 1}
    assert len({event.user for event in events if event.user}) == 54
    assert kinds(events)["copy"] == 268
    assert len({event.model for event in events if event.kind == "message" and event.model}) == 4
    texts = {event.message: event.text for event in events if event.kind == "message"}
    assert all(event.chars <= len(texts[event.message]) for event in events if event.kind == "copy")
    assert built(events).labels["family"].unique().to_list() == ["revealed"]
