"""Messages and events to labels, pairs and unpaired: a pure function whose account adds up."""

import json
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
from unspoken.pairs import revealed, stated
from unspoken.pairs.build import build, label
from unspoken.pairs.built import Built
from unspoken.pairs.counted import notes
from unspoken.pairs.recipe import RECIPES, Recipe, named
from unspoken.pairs.revealed import CONTINUED_RULE
from unspoken.pairs.seen import seen, tables
from unspoken.pairs.split import side
from unspoken.signals.factor.model import Factor, fit
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


def built(events, recipe: Recipe | str = "given-prompts") -> Built:
    messages, acts, text_of = frames(events, SECRET)
    how = named(recipe) if isinstance(recipe, str) else recipe
    return build(messages, acts, how, text_of=lambda ids: {each: text_of[each] for each in ids if each in text_of})


def step(found: Built, name: str) -> dict[str, Any]:
    """The funnel's step of that name."""
    (only,) = [each for each in found.funnel if each["step"] == name]
    return only


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
        text = draw(st.sampled_from(["", "yes", "No", "thanks!"]))
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


@settings(max_examples=20)
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
        assert set(frame["family"]) <= {"stated", "expressed", "revealed"}
    split = pl.concat([frame.select("people", "prompt_key", "split") for frame in (first.pairs, first.unpaired)])
    assert split.explode("people").group_by("people").agg(pl.col("split").n_unique())["split"].max() in (None, 1)
    if recipe.prompts_apart:
        assert split.group_by("prompt_key").agg(pl.col("split").n_unique())["split"].max() in (None, 1)
    again = [*history, *random.choices(history, k=5)]
    random.shuffle(again)
    other = built(again, recipe)
    assert_frame_equal(other.episodes, first.episodes)
    assert other.digest == first.digest
    assert (other.funnel, other.signals, other.notes) == (first.funnel, first.signals, first.notes)
    assert json.dumps(other.accounts) == json.dumps(first.accounts)


def test_the_same_events_and_recipe_give_the_same_dataset(world, whole):
    shuffled = [*world, *world[::7]]
    Random(4).shuffle(shuffled)
    messages, acts, text_of = frames(shuffled, SECRET)
    again = build(messages, pl.concat([acts.reverse(), acts[:50]]), named("chat"), text_of=lambda ids: text_of)
    assert whole.labels["rule"].is_in(["factor/1"]).any()
    assert again.digest == whole.digest
    for name in ("episodes", "acts", "replies", "labels", "pairs", "unpaired"):
        assert_frame_equal(getattr(again, name), getattr(whole, name), check_exact=True)
    assert json.dumps(again.accounts) == json.dumps(whole.accounts)


def test_another_salt_is_another_dataset(world):
    one, other = (replace(named("chat-acts"), salt=salt) for salt in ("one", "other"))
    assert built(world, one).digest != built(world, other).digest


@pytest.mark.parametrize("events", [[], [asked(0, "q")], [sent(0, "vote", "gone", value=1)]])
def test_with_nothing_to_label_it_says_what_to_do(events):
    with pytest.raises(TooLittleData, match=r"nothing to label yet: \d conversations and no answer .* POST /v1/events"):
        built(events)


def test_where_all_was_withheld_it_says_that_consent_is_missing():
    messages, acts, _ = frames([asked(0, "q"), answered(1, "a", "q")], SECRET)
    every = acts.select("event", said=pl.lit(True))
    with pytest.raises(TooLittleData, match=r"Of 2 events 2 may not be used, for want of consent"):
        label(seen(tables(messages, acts, every)), named("given-prompts"))


def test_answers_that_the_recipe_leaves_out_leave_an_empty_dataset_with_an_account():
    found = built([asked(0, "q"), answered(1, "a", "q")], "chitchat")
    assert found.labels.is_empty()
    assert step(found, "answers")["dropped"] == [{"reason": "the conversation has no opening text", "count": 1}]


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
    assert {"reason": "its vote already speaks in a pair", "count": 2} in step(found, "unpaired labels")["dropped"]


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
    assert any("κ = 2.00 logits (its prior" in note for note in found.notes)


def test_the_labels_of_one_user_weigh_no_more_than_their_cap():
    events: list[Event] = []
    for n in range(50):
        who = "anna" if n < 40 else "bert"
        events += [
            asked(10 * n, f"q{n}", user=who), answered(10 * n + 1, f"a{n}", f"q{n}"),
            sent(10 * n + 2, "vote", f"a{n}", value=1, user=who), sent(10 * n + 3, "copy", f"a{n}", chars=1, user=who),
        ]  # fmt: skip
    weights = built(events).unpaired.group_by("family", "user").agg(pl.col("weight").sum())
    anna, bert = (hash_user(SECRET, name) for name in ("anna", "bert"))
    assert {(family, user): weight for family, user, weight in weights.iter_rows()} == pytest.approx(
        {("revealed", anna): 20.0, ("revealed", bert): 10.0, ("stated", anna): 5.0, ("stated", bert): 5.0}
    )


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
    found = built(events, replace(recipe, prompts_apart=False))
    assert found.unpaired.select("message", "split").rows() == [("b", "test")]
    on_one_side = step(found, "unpaired labels: on one side")
    assert on_one_side["dropped"] == [{"reason": "its people stand on both sides of the split", "count": 1}]


@pytest.fixture(scope="module")
def sides() -> dict[str, str]:
    """Somebody on each side of the split."""
    return {
        wanted: next(
            name for name in map(str, range(99)) if side([hash_user(SECRET, name)], "unspoken/1", 0.3) == wanted
        )
        for wanted in ("test", "train")
    }


def test_a_prompt_of_both_sides_stands_on_one_and_what_the_others_did_is_left_out(sides):
    text = "How do I keep basil alive on my windowsill through the winter, when there is little light?"
    events: list[Event] = []
    for n, (who, said) in enumerate([("test", text), ("train", text.upper()), ("train", text + "!!"), ("train", "Hi")]):
        events += [
            asked(10 * n, f"q{n}", user=sides[who], text=said, conversation=f"c{n}"),
            answered(10 * n + 1, f"a{n}", f"q{n}", conversation=f"c{n}"),
            sent(10 * n + 2, "copy", f"a{n}", chars=1, conversation=f"c{n}"),
        ]  # fmt: skip
    found = built(events, "chat").unpaired
    assert found["prompt_key"].n_unique() == 2
    assert found.group_by("prompt_key").agg(pl.col("split").n_unique())["split"].to_list() == [1, 1]
    assert sorted(found["message"]) in (["a0", "a3"], ["a1", "a2", "a3"])
    assert len(built(events).unpaired) == 4


def test_an_answer_to_nobody_is_left_out_and_counted():
    found = built([asked(0, "q", user=None), answered(1, "a", "q"), sent(2, "copy", "a", chars=1)])
    assert len(found.labels) == 1
    assert found.unpaired.is_empty()
    (drop,) = step(found, "unpaired labels: on one side")["dropped"]
    assert drop == {"reason": "nobody is known to have been answered", "count": 1}


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
    with pytest.raises(BadInput, match="no recipe called 'shop'; there are chat, chat-acts, chitchat, given"):
        named("shop")


def test_empty_frames_are_an_empty_project():
    with pytest.raises(TooLittleData, match="0 conversations"):
        build(empty(MESSAGES), empty(EVENTS), named("chat"))


def test_a_frame_without_its_columns_is_refused_by_name():
    with pytest.raises(BadInput, match="events lacks the columns event, kind"):
        build(empty(MESSAGES), pl.DataFrame({"message": ["a"]}), named("chat"))


def test_a_planted_anchor_teaches_nothing_and_is_counted():
    arm = {"arm": {"anchor": "shuffled"}}
    found = built([*VOTED[:2], answered(2, "b", "q", **arm), *VOTED[4:], sent(6, "copy", "b", chars=1)])
    assert set(found.labels["message"]) == {"a"}
    (drop,) = step(found, "answers that may teach")["dropped"]
    assert drop == {"reason": "spoiled on purpose: it tests the labels and teaches nothing", "count": 1}
    assert found.episodes["anchor"].to_list() == [None, "shuffled"]


def test_who_is_in_quarantine_is_left_out_of_every_family_and_counted():
    events = [*VOTED, asked(6, "r", user="bert"), answered(7, "d", "r"), sent(8, "vote", "d", value=1, user="bert")]
    messages, acts, _ = frames(events, SECRET)
    held = pl.DataFrame({"user": [hash_user(SECRET, "anna")], "reason": ["never sleeps: 40 h"]})
    found = build(messages, acts, named("given-prompts"), quarantined=lambda episodes: held)
    assert set(found.labels["message"]) == {"d"}
    assert found.pairs.is_empty()
    assert step(found, "answers: quarantine")["dropped"] == [{"reason": "quarantined: never sleeps", "count": 3}]


def test_a_vote_on_an_answer_that_was_cut_short_is_no_label():
    found = built([VOTED[0], answered(1, "a", "q", finish="stopped"), *VOTED[2:]])
    assert found.labels.filter(family="stated")["message"].to_list() == ["b"]
    assert found.pairs.is_empty()
    assert step(found, "stated: votes that count")["dropped"][0]["count"] == 1


def test_answers_in_a_circle_of_parents_are_counted():
    found = built([*VOTED, answered(7, "x", "y"), answered(8, "y", "x")])
    (drop,) = step(found, "answers: a place in the tree")["dropped"]
    assert drop == {"reason": "its parents run in a circle", "count": 2}


def test_all_votes_of_one_user_and_acts_after_a_close_are_said_to_be_there():
    told = built([*VOTED, sent(6, "close", "b", phase="reading"), sent(7, "copy", "b", chars=1)]).notes
    assert any("All 2 votes are of one user" in note for note in told)
    assert any("1 answers were closed and also used" in note for note in told)


def test_what_is_said_of_acts_after_a_close_is_what_the_labels_do():
    units = pl.DataFrame(
        {"vote": [None, None], "user": ["anna", "bert"], "closed": ["streaming", "reading"], "continued": [False] * 2,
         "copied_share": [1.0, 1.0], "shared": [False] * 2},
        schema_overrides={"vote": pl.Int64},
    )  # fmt: skip
    (both,) = notes(units, "acts/1")
    assert both.startswith("2 answers were closed and also used: both acts count")
    early, late = notes(units, "factor/1")
    assert early.startswith("1 answers were closed while they were written and also used: the close alone counts")
    assert late.startswith("1 answers were closed and also used: both acts count")


def test_a_dataset_of_the_label_model_says_that_an_early_close_alone_counts(world):
    early = next(each for each in world if each.kind == "close" and each.phase == "streaming")
    part = sent(1, "copy", early.message, chars=1, conversation=early.conversation, at=early.at)
    found = built([*world, part], "chat")
    assert found.labels["rule"].is_in(["factor/1"]).any()
    assert any(note.startswith("1 answers were closed while they were written and also used") for note in found.notes)


def test_texts_are_asked_for_of_prompts_and_replies_alone(world):
    messages, acts, text_of = frames(world, SECRET)
    wanted: set[str] = set()

    def told(ids):
        wanted.update(ids)
        return text_of

    build(messages, acts, named("chat-acts"), text_of=told)
    role = dict(messages.select("message", "role").iter_rows())
    assert {role[each] for each in wanted} == {"user"}


def test_without_texts_there_are_labels_of_two_families(world):
    messages, acts, _ = frames(world, SECRET)
    found = build(messages, acts, named("chat-acts"))
    assert set(found.labels["family"]) == {"stated", "revealed"}
    assert found.replies.is_empty()


def test_the_label_model_is_tested_on_what_the_replies_say(world, monkeypatch):
    messages, acts, text_of = frames(world, SECRET)
    given: list[pl.DataFrame] = []

    def watched(units: pl.DataFrame, replies: pl.DataFrame) -> Factor:
        given.append(replies)
        return fit(units, replies)

    monkeypatch.setattr(revealed, "fit", watched)
    found = build(messages, acts, named("chat"), text_of=lambda ids: text_of)
    assert not found.replies.is_empty()
    assert_frame_equal(given[0], found.replies)


def test_answers_of_strangers_to_one_prompt_are_pairs_within_the_cap(whole):
    found = whole.pairs.filter(rule="same-prompt/1")
    mean = dict(whole.labels.filter(family="revealed").select("message", "mean").iter_rows())
    asked_by = dict(whole.episodes.select("message", "user").iter_rows())
    assert len(found) > 50
    for chosen, rejected, p in found.select("chosen", "rejected", "p").iter_rows():
        assert (mean[chosen] >= mean[rejected], asked_by[chosen] != asked_by[rejected], p >= 0.5) == (True,) * 3
    assert found["weight"].max() <= 1
