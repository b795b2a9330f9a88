"""Every number that the source claims, counted from the data itself."""

from collections import Counter
from itertools import chain, islice, pairwise
from typing import Any

import polars as pl
import pytest

from unspoken.events import Event, parse
from unspoken.pairs.build import build
from unspoken.pairs.built import Built
from unspoken.pairs.recipe import named
from unspoken.pairs.split import side
from unspoken.signals.reading import frames
from unspoken.sources import chitchat

SECRET = "5e" * 32


@pytest.fixture(scope="session")
def chats():
    return chitchat.load()


@pytest.fixture(scope="session")
def events(chats) -> list[Event]:
    return [parse(event) for event in chitchat.events(chats)]  # every event is one that POST /v1/events takes


@pytest.fixture(scope="session")
def by_chat(events) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.conversation, []).append(event)
    return found


@pytest.fixture(scope="session")
def built(events) -> Built:
    messages, acts, _ = frames(events, SECRET)
    return build(messages, acts, named(chitchat.RECIPE))


def roles(chat: list[Event]) -> set[str]:
    return {event.role for event in chat if event.kind == "message"}


def test_the_chats_are_as_many_as_the_source_says(by_chat):
    assert len(by_chat) == 7168
    assert sum("assistant" not in roles(chat) for chat in by_chat.values()) == 3150
    assert sum(roles(chat) == {"system", "user", "assistant"} for chat in by_chat.values()) == 3873


def test_people_and_openings_are_as_many_as_the_source_says(chats, events):
    people = {line["sender"] for record in chats.values() for turn in record["messages"] for line in turn}
    assert len(people) == 1315
    assert {event.user for event in events} - {None} == people
    assert len({event.text for event in events if event.kind == "message" and event.role == "system"}) == 34


def test_units_and_labels_are_as_many_as_the_source_says(built):
    revealed, said = (built.labels.filter(family=family) for family in ("revealed", "stated"))
    assert len(built.episodes) == len(revealed) == 3158
    assert revealed["p"].value_counts().sort("p").rows() == [(0.0, 231), (1.0, 2927)]
    assert len(said) == 2007
    assert said["user"].null_count() == 2007


def test_a_close_comes_only_where_the_assistant_spoke_last(by_chat):
    closed = 0
    for chat in by_chat.values():
        last = [event for event in chat if event.kind == "message"][-1]
        closes = [event for event in chat if event.kind == "close"]
        assert len(closes) == (last.role == "assistant")
        if closes:
            user = next(event.user for event in chat if event.kind == "message" and event.role == "user")
            assert (closes[0].message, closes[0].user, closes[0].at) == (last.message, user, chat[-1].at)
            closed += roles(chat) == {"system", "user", "assistant"}
    assert closed == 2048


def test_nobody_is_said_to_have_paused(events):
    assert {event.kind for event in events} == {"message", "rating", "close"}


def test_who_rated_is_not_known(events):
    ratings = [event for event in events if event.kind == "rating"]
    assert ratings
    assert {(event.user, event.message, event.lowest, event.highest) for event in ratings} == {(None, None, 1, 10)}


def test_the_opening_is_the_root_and_whoever_writes_first_is_the_user(by_chat):
    for chat in by_chat.values():
        first, *others = [event for event in chat if event.kind == "message"]
        assert first.parent is None
        assert {event.role for event in others} <= {"user", "assistant"}
        spoken = [first, *others] if first.role != "system" else others
        assert spoken[0].role == "user"
        # Turns alternate, each under the one before.
        assert all(one.role != next_.role for one, next_ in pairwise(spoken))
        assert all(next_.parent == one.message for one, next_ in zip([first, *others], others, strict=False))
        by_role = Counter((event.role, event.user) for event in spoken)
        assert len(by_role) == len({event.role for event in spoken})


def test_consecutive_lines_of_one_person_are_one_turn(chats, by_chat):
    chat, record = next(
        (chat, record) for chat, record in chats.items()
        if len({line["sender"] for turn in record["messages"] for line in turn}) == 2
        and any(len(turn) > 1 for turn in record["messages"])
    )  # fmt: skip
    lines = [line["text"] for turn in record["messages"] for line in turn]
    turns = [event.text for event in by_chat[chat] if event.kind == "message" and event.role != "system"]
    assert "\n".join(turns) == "\n".join(lines)
    assert len(turns) < len(lines)


def test_ids_are_the_same_every_time_and_all_different(chats, events):
    again = [event["id"] for event in islice(chitchat.events(chats), 5000)]
    assert again == [event.id for event in events[:5000]]
    assert len({event.id for event in events}) == len(events)


def test_a_limit_takes_that_many_chats(chats):
    assert len({event["conversation"] for event in chitchat.events(chats, limit=3)}) == 3
    assert list(chitchat.events(chats, limit=0)) == []


def test_both_speakers_stand_on_one_side(built):
    for people, split in built.unpaired.select("people", "split").iter_rows():
        assert {side(people, built.recipe.salt, built.recipe.test_share)} == {split}
    each = built.unpaired.explode("people").group_by("people").agg(pl.col("split").n_unique())
    assert each["split"].max() == 1
    assert built.unpaired["people"].list.len().max() == 2


def test_two_people_touch_thirty_percent_of_the_chats(by_chat):
    people = [
        {event.user for event in chat if event.user} for chat in by_chat.values()
        if roles(chat) == {"system", "user", "assistant"}
    ]  # fmt: skip
    heaviest = {person for person, _ in Counter(chain.from_iterable(people)).most_common(2)}
    assert sum(bool(each & heaviest) for each in people) / len(people) == pytest.approx(0.30, abs=0.01)


def test_every_step_of_the_account_adds_up(built):
    for step in built.funnel:
        assert step["entered"] == step["kept"] + sum(drop["count"] for drop in step["dropped"])


def test_evaluation_compares_answers_to_one_opening(built):
    assert built.unpaired["prompt_key"].n_unique() <= 34


LINES = [("ann", 0, "hi"), ("ann", 5, "there"), ("bob", 9, "hello"), ("bob", 20, "you?"), ("ann", 30, "\0fine")]


def small(*lines: tuple[str, int, str], **fields) -> list[dict[str, Any]]:
    said = [
        [{"sender": who, "timestamp": f"2018-01-01T00:00:{second:02}.000Z", "text": text}]
        for who, second, text in lines
    ]
    return list(chitchat.events({"x": {"messages": said, **fields}}))


def test_an_answer_comes_when_its_first_line_does_and_a_question_with_its_last():
    asked, answered, again = small(*LINES)
    assert [event["at"][17:19] for event in (asked, answered, again)] == ["05", "09", "30"]
    assert (asked["text"], again["text"]) == ("hi\nthere", "fine")  # NUL cannot be stored


def test_a_chat_without_opening_text_has_no_system_message():
    assert [event["role"] for event in small(*LINES)] == ["user", "assistant", "user"]
    assert small(*LINES, prompt="Talk.")[0]["role"] == "system"


def test_a_chat_without_lines_is_no_events():
    assert small(prompt="Talk.", ratings={"witty": 5}) == []
