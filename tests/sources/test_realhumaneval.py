"""Small tables of our own making in RealHumanEval's form."""

import csv

import pytest

from unspoken.errors import BadInput
from unspoken.sources import realhumaneval
from unspoken.sources.realhumaneval import COLUMNS

ASK, ANSWER = {"role": "user", "content": "How?"}, {"role": "assistant", "content": "```x = 1```"}
ROW = {
    "request": str([ASK]), "response": "```x = 1```", "copy_events": "[]", "programmer_id": "7", "timestamp": "12.5",
    "model": "m", "task_name": "sum",
}  # fmt: skip


@pytest.fixture
def read(importer, tmp_path):
    def read(*rows: dict[str, str]):
        with (tmp_path / "chat.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(ROW | row for row in rows)
        return importer(lambda reading: realhumaneval.events(tmp_path / "chat.csv", reading))

    return read


def test_requests_that_repeat_their_history_are_one_conversation(read):
    more = {"request": str([ASK, ANSWER, {"role": "user", "content": "Why?"}]), "response": "So.", "timestamp": "20"}
    events, left = read({}, more)
    assert [event.text for event in events] == ["How?", "```x = 1```", "Why?", "So."]
    assert [event.parent for event in events] == [None, *[event.message for event in events[:-1]]]
    assert [event.user for event in events] == ["programmer/7", None] * 2
    assert (events[1].at - events[0].at).total_seconds() == 0.001 and left == {}


def test_what_was_copied_is_a_copy_of_the_answer(read):
    copies = [{"type": "copy_button", "copied": "x = 1"}, {"type": "copy_chat", "copied": "x"}, {"type": "copy_chat"}]
    events, left = read({"copy_events": str(copies)})
    assert [(event.message, event.chars, event.part) for event in events if event.kind == "copy"] == [
        (events[1].message, 5, "code"), (events[1].message, 1, None),
    ]  # fmt: skip
    assert left == {"a copy event without what was copied": 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"request": "[]"}, "an answer whose request is empty"),
        ({"request": "__import__('os')"}, "a cell that holds no list"),
        ({"request": "[" * 5000}, "a cell that holds no list"),
        ({"request": "['hello']"}, "a request with a message that has no role or no text"),
        ({"response": ""}, "a request without an answer"),
        ({"copy_events": "nan"}, "a cell that holds no list"),
        ({"timestamp": "soon"}, "a timestamp that is no number of seconds"),
        ({"timestamp": "nan"}, "a timestamp that is no number of seconds"),
    ],
)
def test_a_row_that_does_not_fit_is_counted(read, row, reason):
    events, left = read({}, row)
    assert len(events) == 2 and left == {reason: 1}


def test_another_table_is_refused(tmp_path):
    (tmp_path / "chat.csv").write_text("request,response\n")
    with pytest.raises(BadInput, match="lacks the columns copy_events, programmer_id, timestamp, model, task_name"):
        list(realhumaneval.events(tmp_path / "chat.csv"))
