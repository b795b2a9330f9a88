"""OpenAI-style lines: logs, fine-tuning files, stored completions, preferences, and lines that are none of these."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.errors import BadInput
from unspoken.events import parse
from unspoken.sources import openai
from unspoken.sources.openai import _Record, _Seen
from unspoken.sources.reading import Reading

UNKNOWN = "a number whose scale is not known (name it: --scale 1..5, or --scale thumbs for votes of 1, 0 and -1)"


def said(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


ASK, ANSWER = said("user", "What is a lease?"), said("assistant", "A promise with an end.")


@pytest.fixture
def log(importer, jsonl):
    """Events, and what was left out, of lines."""
    return lambda *lines, **more: importer(lambda reading: openai.events(jsonl(*lines), reading, **more))


def test_a_fine_tuning_line_is_a_conversation_of_its_own(log):
    events, left = log({"messages": [said("developer", "Be brief."), ASK, ANSWER]})
    assert [(event.role, event.text) for event in events] == [
        ("system", "Be brief."), ("user", "What is a lease?"), ("assistant", "A promise with an end."),
    ]  # fmt: skip
    assert [event.parent for event in events] == [None, events[0].message, events[1].message]
    assert {event.conversation for event in events} == {events[0].conversation} and left == {}
    assert {event.at.year for event in events} == {2000}


def test_a_log_that_repeats_its_history_becomes_one_tree_with_siblings(log):
    session = {"metadata": {"conversation_id": "c", "user": "ann"}, "model": "m"}
    more = [ASK, ANSWER, said("user", "Why?"), said("assistant", "So that it ends.")]
    events, _ = log(
        session | {"messages": [ASK, ANSWER], "created": 1_700_000_000},
        session | {"messages": [ASK, said("assistant", "A lock.")], "created": 1_700_000_005},
        session | {"messages": more, "created": 1_700_000_010},
    )
    assert len(events) == 5
    by_text = {event.text: event for event in events}
    assert by_text["A lock."].parent == by_text["A promise with an end."].parent == by_text["What is a lease?"].message
    assert by_text["Why?"].parent == by_text["A promise with an end."].message
    assert by_text["So that it ends."].at == datetime.fromtimestamp(1_700_000_010, UTC)
    assert {event.user for event in events if event.role == "user"} == {"ann"}
    assert {event.model for event in events if event.role == "assistant"} == {"m"}


def test_the_same_line_twice_is_two_conversations_and_the_same_file_twice_is_one(log):
    once, _ = log({"messages": [ASK, ANSWER]})
    twice, _ = log({"messages": [ASK, ANSWER]}, {"messages": [ASK, ANSWER]})
    assert [event.id for event in twice[:2]] == [event.id for event in once]
    assert len({event.conversation for event in twice}) == 2
    longer, _ = log({"messages": [ASK, ANSWER]}, {"messages": [ASK, ANSWER]}, {"messages": [ASK]})
    assert [event.id for event in longer[:4]] == [event.id for event in twice]


@pytest.mark.parametrize(
    ("rating", "vote"),
    [(1, 1), (-1, -1), (0, 0), ("1", 1), (True, 1), (False, -1), ("up", 1), ("Thumbs_Down", -1), ("👍", 1), (1.0, 1)],
)
def test_a_thumb_is_a_vote_on_the_last_answer(log, rating, vote):
    for line in (
        {"rating": rating},
        {"feedback": {"rating": rating, "comment": "hm"}},
        {"metadata": {"rating": rating}},
    ):
        events, left = log({"messages": [ASK, ANSWER], "user": "ann", **line}, scale="thumbs")
        assert (events[2].kind, events[2].value, events[2].message) == ("vote", vote, events[1].message)
        assert events[2].user == "ann" and left == {}


def test_another_number_needs_its_scale(log):
    line = {"messages": [ASK, ANSWER], "rating": 4}
    assert log(line)[1] == {UNKNOWN: 1}
    events, left = log(line, {"messages": [ASK, ANSWER], "rating": 9}, scale=(1.0, 5.0))
    assert (events[2].kind, events[2].value, events[2].lowest, events[2].highest) == ("rating", 4, 1, 5)
    assert sum(left.values()) == 1


@pytest.mark.parametrize(
    ("ratings", "votes"),
    [
        ([1, 2, 5, 1], []),
        (["1", "5"], []),
        ([1, -1, 4], []),
        ([1, 1], []),
        ([0, 1], []),
        ([1, -1.5], []),
        ([1, 0, -1, "-1", "1.0"], [1, 0, -1, -1, 1]),
        ([1, 5, "up", False, "+1"], [1, -1, 1]),
    ],
)
def test_bare_numbers_are_thumbs_only_where_the_whole_file_says_so(log, ratings, votes):
    events, left = log(*[{"messages": [ASK, ANSWER], "rating": rating} for rating in ratings])
    assert [event.value for event in events if event.kind == "vote"] == votes
    assert left == ({} if len(votes) == len(ratings) else {UNKNOWN: len(ratings) - len(votes)})


def test_a_number_in_any_place_of_any_line_counts_for_the_whole_file(log):
    up, down = ({"messages": [ASK, ANSWER], "rating": number} for number in (1, -1))
    for more in ({"metadata": {"rating": 3}}, {"feedback": {"score": 3}}, {"feedback": 3}, {"rating": 3}):
        assert log(up, down, {"messages": [ASK, ANSWER]} | more)[1] == {UNKNOWN: 3}


def test_a_word_is_a_thumb_beside_a_scale(log):
    lines = [{"messages": [ASK, ANSWER]} | more for more in ({"feedback": "down"}, {"rating": 1}, {"rating": "2"})]
    events, left = log(*lines, scale=(1.0, 5.0))
    assert [(e.kind, e.value) for e in events if e.kind != "message"] == [("vote", -1), ("rating", 1), ("rating", 2)]
    assert left == {}


def test_a_number_that_its_scale_does_not_hold_is_left_out(log):
    line = {"messages": [ASK, ANSWER], "rating": 9}
    assert log(line, scale=(1.0, 5.0))[1] == {"a rating beyond the scale 1..5": 1}
    assert log(line, scale="thumbs")[1] == {"a number that is no thumb: neither 1, 0 nor -1": 1}
    assert log(line | {"rating": "great"})[1] == {"a rating that is neither a number nor a thumb": 1}


def test_choices_of_a_stored_completion_are_siblings(log):
    events, _ = log(
        {"id": "chatcmpl-1", "messages": [ASK], "choices": [{"message": ANSWER}, {"message": {"content": "No."}}]}
    )
    assert [event.role for event in events] == ["user", "assistant", "assistant"]
    assert events[1].parent == events[2].parent == events[0].message


def test_a_preference_is_a_choice_between_siblings(log):
    events, _ = log({
        "input": {"messages": [ASK]}, "preferred_output": [ANSWER],
        "non_preferred_output": [said("assistant", "A lock.")],
    })  # fmt: skip
    ask, better, worse, choice = events
    assert (choice.kind, choice.chosen, choice.rejected) == ("choice", better.message, [worse.message])
    assert better.parent == worse.parent == ask.message


PREFERENCE = {"input": {"messages": [ASK]}, "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"messages": []}, "`messages` is not a list of messages"),
        ({"messages": "hello"}, "`messages` is not a list of messages"),
        ({"prompt": "hello"}, "`messages` is not a list of messages"),
        ({"messages": [ASK, "hello"]}, "a message that is no object, or of a role that is not known"),
        ({"messages": [said("king", "hello")]}, "a message that is no object, or of a role that is not known"),
        ({"messages": [said("user", 3)]}, "a message whose content is no text"),
        ({"messages": [{"role": "assistant"}]}, "a message without content"),
        ({"messages": [said("user", "x" * 1_000_001)]}, "a message longer than 1,000,000 characters"),
        ({"messages": [ASK], "created": "yesterday"}, "a time that is neither seconds since 1970 nor RFC 3339"),
        ({"messages": [ASK], "created": 1e300}, "a time that is neither seconds since 1970 nor RFC 3339"),
        ({"messages": [ASK], "choices": [3]}, "`choices` without messages"),
        (PREFERENCE, "a preference between two equal answers"),
        (PREFERENCE | {"preferred_output": [ASK]}, "a preference whose outputs are not one answer each"),
        (PREFERENCE | {"input": None}, "`input.messages` is not a list of messages"),
    ],
)
def test_a_line_that_does_not_fit_is_left_out_whole_and_counted(log, line, reason):
    events, left = log({"messages": [ASK]}, line)
    assert len(events) == 1 and left == {reason: 1}


def test_parts_that_are_no_text_are_counted_and_the_message_kept(log):
    picture = {"type": "image_url", "image_url": {"url": "x"}}
    call: dict[str, object] = {"role": "assistant", "content": None, "tool_calls": [{}]}
    events, left = log({"messages": [said("user", [{"type": "text", "text": "see"}, picture]), call]})
    assert [event.text for event in events] == ["see\n", ""]
    assert sorted(left.values()) == [1, 1]


def test_characters_that_no_database_stores_do_not_stop_it(log):
    events, _ = log(b'{"messages": [{"role": "user", "content": "a\\u0000b\\ud800c"}]}')
    assert events[0].text == "ab?c"


@pytest.mark.parametrize("lines", [(), (b"{'a': 1}",), ({"messages": []},)])
def test_a_file_of_which_nothing_can_be_used_is_refused_with_the_reasons(jsonl, lines):
    with pytest.raises(BadInput, match=r"Nothing in .*log\.jsonl can be used: .*Left out: "):
        list(openai.events(jsonl(*lines)))


@given(
    st.dictionaries(
        st.sampled_from(["messages", "input", "preferred_output", "non_preferred_output", "choices", "rating",
                         "feedback", "metadata", "created", "user", "id", "model"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["role", "content", "messages", "rating", "message"]), inner, max_size=3),
            max_leaves=8,
        ),
    )
)  # fmt: skip
def test_any_object_is_events_or_a_reason(line):
    record_of = (lambda: _Record(line, _Seen()).preference()) if "preferred_output" in line else (
        lambda: _Record(line, _Seen()).log(None, Reading(), "here")
    )  # fmt: skip
    try:
        for event in record_of():
            parse(event)
    except openai._Left as reason:
        assert str(reason)
