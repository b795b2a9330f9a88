"""The quick episodes against the plain ones of reference.py, on small worlds in which everything happens."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.signals import reference

from unspoken.events import KINDS
from unspoken.frames import EPISODES, EVENTS, MESSAGES
from unspoken.signals.episodes import episodes

START = datetime(2026, 10, 1, tzinfo=UTC)
CHATS = 150
USERS, PHASES, MS = ("ann", "bob", None), ("streaming", "reading", "composing", None), (None, 0, 900, 1400, 3000)
# Kinds that matter together are drawn more often.
DRAWN = (*KINDS, "message", "message", "message", "select", "return", "close", "hide", "thanks")

Rows = list[dict[str, Any]]


def world(seed: int) -> tuple[Rows, Rows]:
    """Small conversations of few ids, few moments and every kind, so that all of it meets, also what cannot be."""
    random = Random(seed)
    messages, events = [], []
    for number in range(CHATS):
        names = [f"{number}-{name}" for name in range(random.randint(1, 7))]
        messages += [message(random, number, names, place) for place in range(len(names)) for _ in range(2)]
        for _ in range(random.randint(0, 90)):
            events.append(event(random, number, names))
    random.shuffle(messages)
    random.shuffle(events)
    return messages, events


def message(random: Random, number: int, names: list[str], place: int) -> dict[str, Any]:
    likely = [*names[max(place - 2, 0) : place] * 4, *names]
    return {
        "message": names[place], "conversation": chat(random, number), "user": random.choice(USERS),
        "parent": random.choice([*likely, "never", None, f"{number + 1}-0"]), "at": moment(random),
        "role": random.choice(["user", "user", "assistant", "assistant", "assistant", "system"]),
        "finish": random.choice(["complete", None]), "chars": random.randint(0, 40), "digest": random.choice("xyz"),
    }  # fmt: skip


def event(random: Random, number: int, names: list[str]) -> dict[str, Any]:
    pick = random.choice
    return {
        "event": f"{number}-{random.randint(0, 99):02}", "kind": pick(DRAWN), "at": moment(random),
        "conversation": chat(random, number), "user": pick(USERS), "message": pick([*names, *names, None, "never"]),
        "page": pick([None, "p", "q"]), "n": pick([None, *range(9)]), "device": pick([None, "phone", "tablet"]),
        "arm": pick([None, {"policy": "b"}, {"anchor": "cut"}, {"policy": "a", "anchor": None}, {}]),
        "value": pick([-1.0, 0.0, 1.0]), "lowest": -1.0, "highest": pick([1.0, 2.0]), "scale": pick("qw"),
        "phase": pick(PHASES), "cause": pick(["tab", "inferred", None]), "silent_ms": pick(MS),
        "seen_chars": pick([None, 1, 2, 3]), "total_chars": pick([None, 1, 2, 3]), "visible_ms": pick(MS),
        "active_ms": pick(MS), "idle_ms": pick(MS), "hidden_ms": pick(MS), "away_ms": pick(MS), "ms": pick(MS[1:]),
        "duration_ms": pick(MS), "ttft_ms": pick([None, 200]), "chars": pick([None, 0, 5, 50]),
        "part": pick(["code", "prose", None]), "previous": pick([*names, None]), "level": pick(["soft", "firm"]),
        "shown": pick([True, False, None]), "answered": pick([True, False, None]), "propensity": pick([0.5, None]),
        "role": pick(["user", "assistant"]), "topic": pick(["sums", None]),
    }  # fmt: skip


def chat(random: Random, number: int) -> str:
    """Mostly its own; now and then the one before, where its messages are not."""
    return f"c{number - (random.random() < 0.03)}"


def moment(random: Random) -> datetime:
    return START + timedelta(seconds=random.randint(0, 12))


def framed(messages: Rows, events: Rows) -> tuple[pl.DataFrame, pl.DataFrame]:
    spelled = [each | {"arm": None if each["arm"] is None else json.dumps(each["arm"])} for each in events]
    return pl.DataFrame(messages, schema=dict(MESSAGES)), pl.DataFrame(spelled, schema=dict(EVENTS))


@pytest.mark.parametrize("seed", range(4))
def test_what_the_plain_reference_says_is_what_comes_out(seed):
    messages, events = world(seed)
    found = episodes(*framed(messages, events))
    expected = reference.episodes(messages, events)
    rows = pl.DataFrame(expected, schema={name: kind for name, kind in EPISODES.items() if name != "prompt_key"})
    assert_frame_equal(found.drop("prompt_key"), rows)
    # Equal keys for equal paths of text, and for no others.
    paths, keys = [row["path"] for row in expected], found["prompt_key"].to_list()
    assert [key is None for key in keys] == [path is None for path in paths]
    assert len({*zip(keys, paths, strict=True)}) == len({*keys}) == len({*paths}) > 10


def test_every_column_is_put_to_the_test():
    """In the worlds above each of them takes more than one value."""
    found = episodes(*framed(*world(0)))
    assert [name for name in found.columns if found[name].n_unique() < 2] == []


@pytest.mark.parametrize("seed", range(4))
def test_no_order_of_arrival_and_no_repetition_changes_anything(seed):
    once = [list({row[name]: row for row in rows}.values()) for rows, name in named(seed)]
    random = Random(seed)
    mixed = [random.sample(rows, len(rows)) + random.sample(rows, len(rows) // 2) for rows in once]
    assert_frame_equal(episodes(*framed(*mixed)), episodes(*framed(*once)))


@pytest.mark.parametrize("seed", range(2))
def test_some_conversations_alone_are_their_rows_of_all(seed):
    messages, events = framed(*([*{row[name]: row for row in rows}.values()] for rows, name in named(seed)))
    conversations = sorted({*messages["conversation"], *events["conversation"]})
    parts = []
    for start in range(5):
        some = pl.col("conversation").is_in(conversations[start::5])
        parts.append(episodes(messages.filter(some), events.filter(some)))
    assert_frame_equal(pl.concat(parts).sort("conversation", "at", "message"), episodes(messages, events))


def named(seed: int):
    return zip(world(seed), ("message", "event"), strict=True)
