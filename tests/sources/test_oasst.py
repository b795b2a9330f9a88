"""Small trees of our own making: ranks, thumbs, and trees that are broken."""

import pytest

from unspoken.errors import BadInput
from unspoken.sources import oasst


def node(name: str, role: str = "assistant", **more: object) -> dict[str, object]:
    return {"message_id": name, "role": role, "text": f"text of {name}", "replies": []} | more


def tree(*replies: dict[str, object], **more: object) -> dict[str, object]:
    return {"message_tree_id": "t", "prompt": node("p", "prompter", replies=list(replies), **more)}


@pytest.fixture
def grown(importer, jsonl):
    return lambda *lines: importer(lambda reading: oasst.events(jsonl(*lines), reading))


def test_ranks_are_choices_over_every_worse_answer(grown):
    events, left = grown(tree(node("b", rank=1), node("a", rank=0), node("c", rank=2), node("d", rank=2)))
    choices = {event.chosen: event.rejected for event in events if event.kind == "choice"}
    assert choices == {"a": ["b", "c", "d"], "b": ["c", "d"]} and left == {}
    assert {event.user for event in events if event.kind == "choice"} == {None}


def test_a_machines_answer_has_no_rank_by_people(grown):
    events, left = grown(tree(node("a", rank=0, synthetic=True, model_name="m"), node("b", rank=1), node("c")))
    assert not [event for event in events if event.kind == "choice"]
    assert left == {"a rank of a machine's answer": 1, "an answer beside others without a rank": 1}
    assert [event.model for event in events if event.message == "a"] == ["m"]


@pytest.mark.parametrize(("up", "down", "vote", "left"), [(3, 1, 1, 3), (0, 2, -1, 1), (2, 2, None, 4), (1, 0, 1, 0)])
def test_thumbs_are_one_vote_by_majority_and_the_others_are_counted(grown, up, down, vote, left):
    events, out = grown(tree(node("a", emojis={"+1": up, "-1": down, "_skip_reply": 2})))
    votes = [event.value for event in events if event.kind == "vote"]
    assert votes == ([] if vote is None else [vote])
    assert sum(out.values()) == left + 2


def test_quality_is_a_rating_and_other_labels_are_counted(grown):
    events, left = grown(tree(node("a", labels={"quality": {"value": 0.7}, "toxicity": {"value": 0.1}})))
    assert [(event.scale, event.value) for event in events if event.kind == "rating"] == [("quality", 0.7)]
    assert left == {"a label that is not an answer's quality": 1}


def test_prompts_of_one_tree_are_one_persons_and_answers_are_nobodys(grown):
    events, _ = grown(tree(node("a", replies=[node("q", "prompter", replies=[node("b")])])))
    assert [(event.message, event.user) for event in events] == [
        ("p", "prompter of t"), ("a", None), ("q", "prompter of t"), ("b", None),
    ]  # fmt: skip


def test_what_is_below_an_unusable_message_goes_with_it_and_is_counted(grown):
    events, left = grown(tree(node("a", deleted=True, replies=[node("q", "prompter")]), node("b", "king"), node("c")))
    assert [event.message for event in events] == ["p", "c"]
    assert left == {"a message that was deleted, and all below it": 2, "a message of another role, and all below it": 1}


def test_a_tree_deeper_than_any_is_cut_and_counted(grown):
    deep = node("m0")
    for number in range(1, 240):
        deep = node(f"m{number}", replies=[deep])
    events, left = grown(tree(deep))
    assert len(events) == oasst.DEEPEST + 1
    assert left == {f"a message deeper than {oasst.DEEPEST} levels, and all below it": 40}


@pytest.mark.parametrize(
    "line", [{"prompt": {}}, {"message_tree_id": "t"}, {"message_tree_id": 3, "prompt": node("p")}]
)
def test_a_line_that_is_no_tree_is_left_out(grown, line):
    events, left = grown(tree(), line)
    assert len(events) == 1 and left == {"no tree: `message_tree_id` or `prompt` is missing": 1}


@pytest.mark.parametrize(
    "broken",
    [
        node("a", replies="x"),
        node("a", emojis=[1]),
        node("a", rank="first"),
        node("a", labels={"quality": 3}),
        {"text": 1},
    ],
)
def test_fields_of_other_types_do_not_stop_it(grown, broken):
    assert len(grown(tree(broken, node("b")))[0]) >= 2


def test_a_file_without_trees_is_refused(jsonl):
    with pytest.raises(BadInput, match="no line is a tree"):
        list(oasst.events(jsonl({"messages": []})))
