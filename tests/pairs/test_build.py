"""Messages and events to labels, pairs and unpaired: a pure function whose account adds up."""

from dataclasses import replace
from functools import partial
from operator import ne
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.errors import BadInput, TooLittleData
from unspoken.events import Event, hash_user, parse
from unspoken.frames import EVENTS, LABELS, MESSAGES, PAIRS, UNPAIRED, empty
from unspoken.pairs import stated
from unspoken.pairs.build import CONTINUED_RULE, Built, build
from unspoken.pairs.recipe import RECIPES, Recipe, named
from unspoken.pairs.split import side
from unspoken.signals.reading import frames

SECRET = "5e" * 32


def sent(number: int, kind: str, message: str | None = None, **fields) -> Event:
    identity = f"{number:08x}-0000-4000-8000-000000000000"
    at = 1_790_000_000_000 + number * 1000
    return parse({"id": identity, "kind": kind, "at": at, "conversation": "c", "message": message, **fields})


def asked(number: int, message: str, parent: str | None = None, **fields) -> Event:
    return sent(number, "message", message, **{"role": "user", "text": "?", "parent": parent, "user": "anna"} | fields)


def answered(number: int, message: str, parent: str | None, **fields) -> Event:
    return sent(number, "message", message, role="assistant", text="!", parent=parent, **fields)


def built(events, recipe: Recipe | str = "chat") -> Built:
    messages, acts, _ = frames(events, SECRET)
    return build(messages, acts, named(recipe) if isinstance(recipe, str) else recipe)


@st.composite
def histories(draw) -> list[Event]:
    """Any events at all: trees with gaps and cycles, acts on messages that are there or not, in any order."""
    names = [f"m{n}" for n in range(draw(st.integers(0, 8)))]
    known = st.sampled_from([*names, "gone", "lost"])
    people = st.sampled_from(["anna", "bert", "carla", None])
    numbers = iter(range(1000))
    events = []
    for name in names:
        parent = draw(st.none() | known.filter(partial(ne, name)))
        role = draw(st.sampled_from(["user", "assistant", "assistant", "system", "tool"]))
        text = draw(st.sampled_from(["", "yes", "No"]))
        conversation = draw(st.sampled_from(["c", "d"]))
        number = draw(st.integers(0, 90))
        message = {"role": role, "text": text, "parent": parent, "user": draw(people), "conversation": conversation}
        events.append(sent(next(numbers), "message", name, at=1_790_000_000_000 + number * 1000, **message))
    acts: dict[str, dict[str, Any]] = {
        "vote": {"value": draw(st.integers(-1, 1))},
        "rating": {"scale": "q", "value": draw(st.integers(1, 10)), "lowest": 1, "highest": 10},
        "expose": {},
        "view": {"visible_ms": draw(st.none() | st.integers(0, 9000))},
        "stop": {},
        "close": {"phase": "streaming"},
        "regenerate": {},
        "copy": {"chars": draw(st.integers(0, 9))},
        "disconnect": {},
    }
    for kind in draw(st.lists(st.sampled_from(sorted(acts)), max_size=12)):
        events.append(sent(next(numbers), kind, draw(known), user=draw(people), **acts[kind]))
    for _ in range(draw(st.integers(0, 3))):
        chosen, *rejected = draw(st.lists(known, min_size=2, max_size=3, unique=True))
        events.append(sent(next(numbers), "choice", chosen=chosen, rejected=rejected, tie=draw(st.booleans())))
    return events


RECIPE = st.sampled_from(list(RECIPES.values()))


@settings(max_examples=150, deadline=None)
@given(histories(), RECIPE, st.randoms(use_true_random=False))
def test_whatever_came_in_every_step_adds_up_and_arrival_decides_nothing(history, recipe, random):
    try:
        first = built(history, recipe)
    except TooLittleData:
        return
    for step in first.funnel:
        assert step["entered"] == step["kept"] + sum(drop["count"] for drop in step["dropped"])
        assert all(drop["reason"] and drop["count"] > 0 for drop in step["dropped"])
    for name, frame, schema in (("labels", first.labels, LABELS), ("pairs", first.pairs, PAIRS),
                                ("unpaired", first.unpaired, UNPAIRED)):  # fmt: skip
        assert frame.schema == pl.Schema(schema), name
    ids = {event.id for event in history}
    for frame in (first.labels, first.pairs, first.unpaired):
        assert set(frame["evidence"].explode().drop_nulls()) <= ids
        assert frame["p"].is_between(0, 1).all()
        assert set(frame["family"]) <= {"stated", "revealed"}
    split = pl.concat([first.pairs.select("people", "split"), first.unpaired.select("people", "split")])
    assert split.explode("people").group_by("people").agg(pl.col("split").n_unique())["split"].max() in (None, 1)
    again = [*history, *random.choices(history, k=5)]
    random.shuffle(again)
    other = built(again, recipe)
    assert_frame_equal(other.episodes, first.episodes)
    assert other.digest == first.digest
    assert (other.funnel, other.signals) == (first.funnel, first.signals)


def test_the_same_events_and_recipe_give_the_same_dataset(world):
    shuffled = [*world, *world[::7]]
    Random(4).shuffle(shuffled)
    messages, acts, _ = frames(world, SECRET)
    again = build(messages.reverse(), pl.concat([acts.reverse(), acts[:50]]), named("chat"))
    assert built(world).digest == built(shuffled).digest == again.digest


def test_another_salt_is_another_dataset(world):
    assert built(world, replace(named("chat"), salt="other")).digest != built(world).digest


@pytest.mark.parametrize("events", [[], [asked(0, "q")], [sent(0, "vote", "gone", value=1)]])
def test_with_nothing_to_label_it_says_what_to_do(events):
    with pytest.raises(TooLittleData, match=r"nothing to label yet: \d conversations and no answer .* POST /v1/events"):
        built(events)


def test_answers_that_the_recipe_leaves_out_leave_an_empty_dataset_with_an_account():
    found = built([asked(0, "q"), answered(1, "a", "q")], "chitchat")
    assert found.labels.is_empty()
    assert found.funnel[1]["dropped"] == [{"reason": "the conversation has no opening text", "count": 1}]


def test_a_message_that_came_late_changes_what_was_labelled():
    early = [answered(1, "a", "q"), sent(2, "copy", "a", chars=1), sent(3, "vote", "a", value=1)]
    assert built(early).labels.is_empty()
    assert len(built([*early, asked(0, "q")]).labels) == 2


VOTED = [
    asked(0, "q"), answered(1, "a", "q"), answered(2, "b", "q"), answered(3, "c", "q"),
    sent(4, "vote", "a", value=1), sent(5, "vote", "b", value=-1),
]  # fmt: skip


def test_votes_that_speak_in_a_pair_do_not_speak_again_alone():
    found = built([*VOTED, asked(6, "r"), answered(7, "d", "r"), sent(8, "vote", "d", value=1)])
    assert found.pairs.select("rule", "chosen", "rejected").rows() == [(stated.VOTE_PAIR_RULE, "a", "b")]
    assert found.unpaired.filter(family="stated")["message"].to_list() == ["d"]
    assert {"reason": "its vote already speaks in a pair", "count": 2} in found.funnel[-2]["dropped"]


def test_a_choice_leaves_the_votes_on_its_answers_alone():
    choice = sent(6, "choice", chosen="c", rejected=["a"])
    found = built([event for event in VOTED if event.message != "b"] + [choice])
    assert found.pairs.select("rule", "chosen", "rejected").rows() == [(stated.CHOICE_RULE, "c", "a")]
    assert found.unpaired.filter(family="stated")["message"].to_list() == ["a"]


def test_choices_that_contradict_each_other_both_stand():
    chosen = [sent(6, "choice", chosen="c", rejected=["a"]), sent(7, "choice", chosen="a", rejected=["c"])]
    assert len(built([*VOTED[:4], *chosen]).pairs) == 2


def test_stated_pairs_have_no_margin_and_kept_siblings_have_one():
    found = built([*VOTED, sent(6, "expose", "a"), sent(7, "expose", "c"), asked(8, "n", "c")])
    assert dict(found.pairs.select("family", "margin").iter_rows()) == {"stated": 0.0, "revealed": -2.0}
    assert found.pairs["p"].to_list() == [1.0, 1.0]
    assert "κ = 2.00 logits (its prior" in found.notes[0]


def test_the_labels_of_one_user_weigh_no_more_than_their_cap():
    events: list[Event] = []
    for n in range(50):
        who = "anna" if n < 40 else "bert"
        events += [
            asked(10 * n, f"q{n}", user=who), answered(10 * n + 1, f"a{n}", f"q{n}"),
            sent(10 * n + 2, "vote", f"a{n}", value=1, user=who),
        ]  # fmt: skip
    found = built(events).unpaired.filter(family="stated")
    weights = found.group_by("user").agg(pl.len(), pl.col("weight").sum())
    assert dict(weights.select("user", "weight").iter_rows()) == {
        hash_user(SECRET, "anna"): pytest.approx(20.0), hash_user(SECRET, "bert"): pytest.approx(10.0)
    }  # fmt: skip


def test_where_who_spoke_is_not_known_the_people_of_the_chat_share_one_cap():
    recipe = Recipe("r", stated="ratings", stated_user_known=False, revealed="continued", user_cap=2)
    events: list[Event] = []
    for n in range(5):
        events += [
            asked(10 * n, f"q{n}"), answered(10 * n + 1, f"a{n}", f"q{n}", user="anna"),
            sent(10 * n + 2, "rating", f"a{n}", scale="q", value=n, lowest=0, highest=4),
        ]  # fmt: skip
    found = built(events, recipe).unpaired.filter(family="stated")
    assert found["user"].null_count() == 5
    assert found["weight"].sum() == pytest.approx(2)


def test_an_exchange_of_people_on_both_sides_is_left_out_and_counted():
    test, train = (
        next(name for name in map(str, range(99)) if side([hash_user(SECRET, name)], "unspoken/1", 0.5) == wanted)
        for wanted in ("test", "train")
    )
    recipe = Recipe("r", revealed="continued", test_share=0.5)
    events = [asked(0, "q", user=test), answered(1, "a", "q", user=train), answered(2, "b", "q", user=test)]
    found = built(events, recipe)
    assert found.unpaired.select("message", "split").rows() == [("b", "test")]
    assert found.funnel[-1]["dropped"] == [{"reason": "its people stand on both sides of the split", "count": 1}]


def test_an_answer_to_nobody_is_left_out_and_counted():
    found = built([asked(0, "q", user=None), answered(1, "a", "q"), sent(2, "copy", "a", chars=1)])
    assert len(found.labels) == 1
    assert found.unpaired.is_empty()
    assert found.funnel[-1]["dropped"][0]["reason"] == "nobody is known to have been answered"


def test_writing_again_is_the_label_where_the_recipe_says_so():
    recipe = Recipe("r", unit="first answer", within_s=60, revealed="continued")
    found = built([asked(0, "q"), answered(1, "a", "q"), asked(2, "n", "a"), answered(99, "late", "n")], recipe)
    assert found.labels.select("message", "rule", "p").rows() == [("a", CONTINUED_RULE, 1.0)]


def test_signals_count_events_and_the_answers_they_speak_of():
    found = {row["signal"]: row for row in built([*VOTED, sent(6, "vote", "b", value=0)]).signals}
    assert found["vote"] == {"family": "stated", "signal": "vote", "events": 3, "answers": 2, "share": 2 / 3}
    assert found["wrote again"]["events"] == 0


def test_progress_ends_at_one_and_never_goes_back():
    shares: list[float] = []
    messages, acts, _ = frames(VOTED, SECRET)
    build(messages, acts, named("chat"), lambda share, note: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_unknown_recipe_is_answered_with_those_there_are():
    with pytest.raises(BadInput, match="no recipe called 'shop'; there are chat, chitchat"):
        named("shop")


def test_empty_frames_are_an_empty_project():
    with pytest.raises(TooLittleData, match="0 conversations"):
        build(empty(MESSAGES), empty(EVENTS), named("chat"))


def test_a_frame_without_its_columns_is_refused_by_name():
    with pytest.raises(BadInput, match="events lacks the columns event, kind"):
        build(empty(MESSAGES), pl.DataFrame({"message": ["a"]}), named("chat"))
