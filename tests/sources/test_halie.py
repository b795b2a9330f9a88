"""Small HALIE folders of our own making: dialogues with a survey, and suggestions in milliseconds."""

import gzip
import json

import pytest

from unspoken.errors import BadInput
from unspoken.sources import halie

TURNS = (
    "name,session_id,worker_id,turn_id,model,prompt,prompt_dataset,elapsed_time,"
    "user_input,user_num_words,model_completion"
)
SURVEY = (
    "session_id,worker_id,turn_id,model,prompt,interestingness,boringness,preference,"
    "fluency,sensibility,specificity,humanness,quality"
)


@pytest.fixture
def read(importer, tmp_path):
    return lambda: importer(lambda reading: halie.events(tmp_path, reading))


def dialogue(folder, turns: list[str], survey: list[str]) -> None:
    (folder / "event_blocks.csv").write_text("\n".join([TURNS, *turns]) + "\n")
    (folder / "survey_responses.csv").write_text("\n".join([SURVEY, *survey]) + "\n")


TURN_1 = "turn-01,s,ann,1,m,A scenario,d,0.5,hello,1,ho"
TURN_2 = "turn-02,s,ann,2,m,A scenario,d,0.25,why,1,because"


def test_a_dialogue_is_a_chain_below_its_scenario_and_its_time_is_made_up(read, tmp_path):
    dialogue(tmp_path, [TURN_1, TURN_2], ["s,ann,1,m,p,1.0,0.0,0.0,1.0,1.0,1.0,1.0,", "s,ann,-1,m,p,,,,,,,,4.0"])
    events, left = read()
    messages = [event for event in events if event.kind == "message"]
    assert [event.role for event in messages] == ["system", "user", "assistant", "user", "assistant"]
    assert [event.parent for event in messages[1:]] == [event.message for event in messages[:-1]]
    assert [(event.at - messages[0].at).total_seconds() for event in messages] == [0, 30, 31, 46, 47]
    assert [(event.message, event.value, event.user) for event in events if event.kind == "vote"] == [
        ("s/1", -1, "ann")
    ]
    ratings = {event.scale: (event.message, event.value) for event in events if event.kind == "rating"}
    assert ratings["quality"] == (None, 4) and ratings["not boring"] == ("s/1", 1) and len(ratings) == 7
    assert left == {}


def test_rows_that_do_not_fit_are_counted(read, tmp_path):
    bad = ["turn-09,s,ann,x,m,p,d,0.1,a,1,b", "turn-09,s,ann,9,m,p,d,-1,a,1,b", "turn-09,,ann,9,m,p,d,1,a,1,b"]
    dialogue(
        tmp_path, [TURN_1, *bad], ["s,ann,7,m,p,1,1,1,1,1,1,1,", "s,ann,1,m,p,2,0,,1,1,1,1,", "t,b,-1,m,p,,,,,,,,9"]
    )
    _, left = read()
    assert left == {
        "a turn without session, number or time": 3, "a survey's row about a turn that is not there": 2,
        "a survey's row without interestingness": 1, "a survey's row without preference": 1,
    }  # fmt: skip


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"is no part of HALIE"):
        list(halie.events(tmp_path))
    dialogue(tmp_path, [], [])
    (tmp_path / "event_blocks.csv").write_text("a,b\n")
    with pytest.raises(BadInput, match=r"event_blocks\.csv lacks the columns session_id, "):
        list(halie.events(tmp_path))


def metaphor(folder, *steps: object, survey: str = "s,ann,m,life,1,2,3,4,5,1,2") -> None:
    head = "session_id,worker_id,model,prompt,fluency,helpfulness,ease,enjoyment,satisfaction,ownership,reuse"
    (folder / "survey_responses.csv").write_text(f"{head}\n{survey}\n")
    with gzip.open(folder / "telemetry.jsonl.gz", "wb") as file:
        for step in steps:
            line = step if isinstance(step, bytes) else json.dumps(step).encode()
            file.write(line + b"\n")


def step(kind: str, ms: int, session: str = "s", **more: object) -> dict[str, object]:
    return {
        "eventName": kind,
        "eventSource": "user",
        "eventTimestamp": 1_670_000_000_000 + ms,
        "session_id": session,
    } | more


def opened(ms: int, *texts: str) -> dict[str, object]:
    return step("suggestion-open", ms, currentSuggestions=[{"trimmed": text, "original": f" {text}"} for text in texts])


def test_a_list_of_suggestions_is_siblings_that_were_seen_as_long_as_it_was_open(read, tmp_path):
    metaphor(
        tmp_path,
        step("system-initialize", 0, currentDoc="\n"),
        step("text-insert", 5, textDelta={"ops": [{"insert": "Life"}]}),
        step("text-insert", 6, textDelta={"ops": [{"retain": 4}, {"insert": " is"}]}),
        step("suggestion-get", 10),
        opened(1_000, "a road", "a river"),
        step("suggestion-hover", 1_100, currentHoverIndex=1),
        step("suggestion-hover", 1_400, currentHoverIndex=0),
        step("suggestion-select", 1_500, currentSuggestionIndex=1),
        step("suggestion-close", 1_500),
        step("suggestion-get", 2_000),
    )
    events, left = read()
    asked = [event for event in events if event.kind == "message" and event.role == "user"]
    answers = [event for event in events if event.kind == "message" and event.role == "assistant"]
    assert [event.text for event in answers] == ["a road", "a river"] and asked[0].text == "Life is"
    assert {event.parent for event in answers} == {asked[0].message}
    views = {
        event.message: (event.visible_ms, event.active_ms, event.total_chars)
        for event in events
        if event.kind == "view"
    }
    assert views == {answers[0].message: (500, 100, 6), answers[1].message: (500, 300, 7)}
    (select,) = [event for event in events if event.kind == "select"]
    assert select.message == answers[1].message == asked[1].parent
    assert {event.user for event in events if event.kind in ("view", "select", "rating")} == {"ann"}
    assert len([event for event in events if event.kind == "rating"]) == 7
    assert left == {"text-insert: writing, kept only as the text of the next asking": 2}


def test_asking_again_for_the_same_sentence_is_a_regenerate_and_its_answers_are_siblings(read, tmp_path):
    metaphor(
        tmp_path, step("suggestion-get", 0), opened(100, "a"), step("suggestion-close", 300),
        step("suggestion-get", 400), opened(500, "b"), step("suggestion-close", 900),
        step("template-add", 950, textDelta="a sentence"), step("suggestion-get", 990), opened(1_000, "c"),
    )  # fmt: skip
    events, _ = read()
    by_text = {event.text: event for event in events if event.kind == "message" and event.role == "assistant"}
    assert [event.message for event in events if event.kind == "regenerate"] == [by_text["a"].message]
    assert by_text["a"].parent == by_text["b"].parent != by_text["c"].parent
    # The last list was never closed: it was seen until the last step that is known.
    assert [event.visible_ms for event in events if event.kind == "view"] == [200, 400, 0]


def test_telemetry_that_does_not_fit_is_counted(read, tmp_path):
    metaphor(
        tmp_path, b"not json", [], step("suggestion-get", 0, session="unknown"), {"eventName": 3}, opened(1),
        step("suggestion-select", 2), step("wave", 3), opened(4, "a"),
        step("suggestion-select", 5, currentSuggestionIndex=9),
        step("suggestion-fail", 6), step("text-insert", 7, textDelta={"ops": [3, {"retain": -4}, {"insert": {}}]}),
        survey="s,ann,m,life,1,2,3,4,5,9,",
    )  # fmt: skip
    _, left = read()
    assert left == {
        "not JSON": 1, "JSON, but not an object": 1, "telemetry without session, name or time": 1,
        "telemetry of a session without a survey: who wrote is not known": 1, "a session without a survey": 1,
        "a list of suggestions that is empty": 1, "suggestion-select, with no list open": 1,
        "wave, with no list open": 1, "a selection of a suggestion that is not in the list": 1,
        "an asking for which the system found no suggestion": 1, "a survey without ownership": 1,
        "a survey without reuse": 1, "text-insert: writing, kept only as the text of the next asking": 1,
    }  # fmt: skip
