"""One row per answer, whatever the order of arrival: what was shown, what was done, what was said."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.errors import BadInput
from unspoken.events import Event, hash_user, parse
from unspoken.frames import EPISODES, EVENTS, MESSAGES, empty
from unspoken.signals.episodes import episodes
from unspoken.signals.reading import frames

SECRET = "5e" * 32
ANNA = hash_user(SECRET, "anna")


def sent(second: int, kind: str, message: str | None = None, **fields) -> Event:
    identity = f"{second:08x}-0000-4000-8000-000000000000"
    at = 1_790_000_000_000 + second * 1000
    return parse({"id": identity, "kind": kind, "at": at, "conversation": "c", "message": message, **fields})


def asked(second: int, message: str, parent: str | None = None, **fields) -> Event:
    return sent(second, "message", message, role="user", text="Where is it?", parent=parent, user="anna", **fields)


def answered(second: int, message: str, parent: str | None, **fields) -> Event:
    return sent(second, "message", message, **{"role": "assistant", "text": "x" * 40, "parent": parent} | fields)


def ids(*seconds: int) -> list[str]:
    return [f"{second:08x}-0000-4000-8000-000000000000" for second in seconds]


def rows(*events: Event) -> pl.DataFrame:
    messages, acts, _ = frames(events, SECRET)
    return episodes(messages, acts)


def one(*events: Event) -> dict[str, Any]:
    """The row of answer `a`, to prompt `q`."""
    return rows(asked(0, "q"), answered(1, "a", "q"), *events).row(by_predicate=pl.col("message") == "a", named=True)


# An answer, regenerated; the second was copied from, and the user went back to the first.
CHAT = [
    asked(0, "q"),
    answered(1, "a", "q", duration_ms=700, finish="complete"),
    sent(2, "expose", "a", user="anna"),
    sent(3, "view", "a", user="anna", visible_ms=900, active_ms=800, seen_chars=30, total_chars=40),
    sent(4, "vote", "a", user="anna", value=-1),
    sent(5, "regenerate", "a", user="anna", phase="reading"),
    answered(6, "b", "q"),
    sent(7, "expose", "b", user="anna"),
    sent(8, "copy", "b", user="anna", chars=10),
    sent(9, "vote", "a", user="anna", value=1),
    asked(10, "n", "a"),
    answered(11, "c", "n", user="bert"),
    sent(12, "rating", None, scale="quality", value=4, lowest=1, highest=5),
    sent(13, "rating", "c", scale="quality", value=2, lowest=1, highest=5),
    sent(14, "close", "c", user="anna", phase="reading"),
]


def test_a_chat_becomes_one_row_per_answer():
    found = rows(*CHAT).select(
        "message", "prompt", "turn", "siblings", "sibling_rank", "last_generated", "kept", "back_navigated",
        "continued", "later_turns", "answered_last",
    )  # fmt: skip
    expected = pl.DataFrame(
        [
            ("a", "q", 0, 2, 0, False, True, True, True, 2, False),
            ("b", "q", 0, 2, 1, True, False, False, False, 0, True),
            ("c", "n", 1, 1, 0, True, None, False, False, 0, True),
        ],
        schema=found.schema,
        orient="row",
    )
    assert_frame_equal(found, expected)


def test_acts_and_votes_stand_on_the_answer_they_speak_of():
    found = rows(*CHAT).select(
        "message", "user", "exposed", "duration_ms", "visible_ms", "active_ms", "seen_chars", "total_chars", "closed",
        "regenerated", "regenerated_unread", "copied_share", "vote", "evidence", "stated_evidence",
    )  # fmt: skip
    expected = pl.DataFrame(
        [
            ("a", ANNA, True, 700, 900, 800, 30, 40, None, True, True, 0.0, 1, ids(2, 3, 5, 10), ids(4, 9, 12)),
            ("b", ANNA, True, None, None, None, None, None, None, False, False, 0.25, None, ids(7, 8), ids(12)),
            ("c", ANNA, True, None, None, None, None, None, "reading", False, False, 0.0, None, ids(14), ids(13, 12)),
        ],
        schema=found.schema,
        orient="row",
    )
    assert_frame_equal(found, expected)


@settings(max_examples=20)
@given(st.permutations(range(len(CHAT))), st.lists(st.sampled_from(range(len(CHAT)))))
def test_any_order_of_arrival_and_any_repetition_give_the_same_rows(order, again):
    assert_frame_equal(rows(*(CHAT[number] for number in [*order, *again])), rows(*CHAT))


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_rows_in_the_frames_is_nothing_either(random):
    messages, events, _ = frames(CHAT, SECRET)
    picked = [random.randrange(len(events)) for _ in range(10)]
    shuffled = pl.concat([events, events[picked]]).sample(fraction=1, shuffle=True, seed=random.randrange(2**32))
    twice = pl.concat([messages.reverse(), messages])
    assert_frame_equal(episodes(twice, shuffled), episodes(messages, events))


def test_an_act_that_came_before_its_message_counts():
    early, late = sent(2, "copy", "a", chars=20), answered(1, "a", "q")
    assert rows(early, asked(0, "q"), late)["copied_share"].to_list() == [0.5]


def test_an_act_on_a_message_that_never_came_is_no_row():
    assert rows(asked(0, "q"), answered(1, "a", "q"), sent(2, "copy", "z"))["message"].to_list() == ["a"]


def test_an_answer_whose_prompt_never_came_has_none():
    found = rows(answered(1, "a", "gone"), sent(2, "expose", "a", user="anna")).row(0, named=True)
    assert (found["prompt"], found["prompt_key"], found["latency_s"]) == (None, None, None)
    assert (found["root"], found["user"], found["siblings"]) == ("a", ANNA, 1)


def test_answers_whose_prompts_never_came_are_nobodys_siblings():
    assert rows(answered(1, "a", "gone"), answered(2, "b", "gone"))["siblings"].to_list() == [1, 1]


def test_an_answer_to_a_greeting_is_no_sibling_of_it():
    found = rows(answered(1, "greeting", None), answered(2, "a", "greeting"))
    assert found["siblings"].to_list() == [1, 1]
    assert found["kept"].to_list() == [None, None]


def test_answers_in_a_cycle_of_parents_or_below_one_are_left_out():
    found = rows(
        asked(0, "q"), answered(1, "a", "q"), asked(2, "x", "z"), answered(3, "z", "x"), asked(4, "y", "z"),
        answered(5, "below", "y"),
    )  # fmt: skip
    assert found["message"].to_list() == ["a"]


def test_a_thousand_turns_deep_is_not_too_deep():
    deep = [(asked if n % 2 == 0 else answered)(n, f"m{n}", f"m{n - 1}" if n else None) for n in range(3000)]
    found = rows(*reversed(deep))
    assert found["later_turns"].max() == 2998
    assert found["turn"].max() == 1499


def test_a_prompt_that_differs_in_case_and_spacing_alone_is_the_same_prompt():
    found = rows(
        asked(0, "q"), answered(1, "a", "q"),
        sent(2, "message", "r", role="user", text=" WHERE  is it?"), answered(3, "b", "r"),
    )  # fmt: skip
    assert found["prompt_key"].n_unique() == 1


def test_the_last_vote_counts():
    assert one(sent(2, "vote", "a", value=1), sent(3, "vote", "a", value=-1))["vote"] == -1


def test_a_vote_of_nought_withdraws():
    found = one(sent(2, "vote", "a", value=1), sent(3, "vote", "a", value=0))
    assert (found["vote"], found["stated_evidence"]) == (None, ids(2, 3))


def test_without_a_view_the_time_is_unknown_and_not_nought():
    found = one(sent(2, "expose", "a"), sent(3, "stop", "a"))
    assert (found["exposed"], found["visible_ms"], found["active_ms"], found["stopped"]) == (True, None, None, True)


def test_a_view_that_does_not_say_its_times_leaves_them_unknown():
    found = one(sent(2, "view", "a", visible_ms=500), sent(3, "view", "a"))
    assert (found["visible_ms"], found["active_ms"]) == (500, None)


def test_views_add_up():
    assert one(sent(2, "view", "a", visible_ms=500), sent(3, "view", "a", visible_ms=70))["visible_ms"] == 570


def test_hiding_and_coming_back_is_no_close():
    found = one(sent(2, "hide", "a", phase="reading"), sent(3, "return", "a", away_ms=9000))
    assert (found["closed"], found["exposed"]) == (None, True)


def test_stop_is_no_close_and_close_is_no_stop():
    assert one(sent(2, "stop", "a"))["closed"] is None
    assert one(sent(2, "close", "a", phase="streaming"))["stopped"] is False


def test_a_lost_connection_shows_nothing_to_anybody():
    found = one(sent(2, "disconnect", "a", sent_chars=3, total_chars=40))
    assert (found["exposed"], found["evidence"], found["seen_chars"]) == (False, [], None)


@pytest.mark.parametrize("kind", ["vote", "rating", "solicit"])
def test_what_was_said_is_no_exposure(kind):
    fields: dict[str, dict[str, Any]] = {
        "vote": {"value": 1},
        "rating": {"scale": "q", "value": 1, "lowest": 0, "highest": 1},
    }
    assert one(sent(2, kind, "a", user="anna", **fields.get(kind, {"level": "soft"})))["exposed"] is False


def test_writing_on_below_an_answer_shows_that_it_was_seen():
    found = one(asked(2, "n", "a"))
    assert (found["exposed"], found["continued"], found["evidence"]) == (True, True, ids(2))


def test_the_sibling_under_the_latest_message_is_the_kept_one():
    found = rows(asked(0, "q"), answered(1, "a", "q"), answered(2, "b", "q"), asked(3, "m", "a"), asked(4, "n", "b"))
    assert dict(found.select("message", "kept").iter_rows()) == {"a": False, "b": True}
    assert found["continued"].to_list() == [True, True]


def test_where_the_user_wrote_no_more_no_sibling_was_kept():
    assert rows(asked(0, "q"), answered(1, "a", "q"), answered(2, "b", "q"))["kept"].to_list() == [None, None]


def test_turns_below_count_whoever_wrote_them():
    found = one(asked(2, "n", "a"), answered(3, "b", "n"), answered(4, "c", "n"))
    assert (found["later_turns"], found["answered_last"]) == (3, False)


def test_a_rating_of_the_answer_beats_one_of_its_conversation():
    of_answer = sent(2, "rating", "a", scale="q", value=2, lowest=0, highest=4)
    of_chat = sent(3, "rating", None, scale="q", value=10, lowest=0, highest=10)
    both, alone = one(of_answer, of_chat), one(of_chat)
    assert (both["rating"], both["rating_by"], both["rating_highest"]) == (0.5, "answer", 2.0)
    assert (alone["rating"], alone["rating_by"], alone["rating_highest"]) == (1.0, "conversation", 10.0)


def test_a_rating_is_the_mean_of_its_scales_each_on_its_own_range():
    found = one(
        sent(2, "rating", "a", scale="quality", value=5, lowest=1, highest=5),
        sent(3, "rating", "a", scale="wit", value=25, lowest=0, highest=100),
    )
    assert (found["rating"], found["rating_lowest"], found["rating_highest"]) == (0.625, 5.0, 25.0)


def test_a_rating_that_was_changed_counts_as_changed():
    found = one(
        sent(2, "rating", "a", scale="quality", value=5, lowest=1, highest=5),
        sent(3, "rating", "a", scale="quality", value=1, lowest=1, highest=5),
    )
    assert (found["rating"], found["rating_highest"]) == (0.0, 1.0)


def test_more_was_copied_than_there_is_counts_as_all():
    assert one(sent(2, "copy", "a", chars=400))["copied_share"] == 1.0


def test_an_edit_is_told_or_seen_by_a_second_prompt_of_the_same_user_beside_it():
    told = one(sent(5, "edit", "q", to="q2", user="anna"))
    assert (told["edited"], told["next_act"], told["next_after_ms"], told["evidence"]) == (True, "edit", 4000, ids(5))
    chat = [asked(0, "q"), answered(1, "a", "q"), asked(2, "r", "a"), answered(3, "b", "r")]
    seen = rows(*chat, asked(4, "s", "a")).row(1, named=True)
    assert (seen["edited"], seen["next_act"], seen["evidence"]) == (True, "edit", ids(4))
    other = sent(4, "message", "s", role="user", text="And I?", parent="a", user="bert")
    assert rows(*chat, other)["edited"].to_list() == [False, False]


def test_what_came_next_counts_from_the_completion_and_without_the_time_away():
    first = answered(1, "a", "q", duration_ms=4500, ttft_ms=500)  # complete at 5
    acts = [
        sent(4, "copy", "a", chars=3), sent(9, "return", None, away_ms=2500), sent(12, "return", None, away_ms=1000),
        sent(15, "regenerate", "a", phase="reading"),
    ]  # fmt: skip
    found = rows(asked(0, "q"), first, *acts, asked(17, "n", "a")).row(0, named=True)
    assert (found["next_act"], found["next_after_ms"]) == ("regenerate", 10_000 - 3500)
    assert (found["reply"], found["reply_after_ms"]) == ("n", 12_000)


def test_time_away_from_before_the_completion_is_not_taken_off():
    acts = [sent(9, "return", None, away_ms=6000), sent(15, "share", "a")]
    found = rows(asked(0, "q"), answered(1, "a", "q", duration_ms=4000), *acts).row(0, named=True)
    assert found["next_after_ms"] == 10_000 - 4000


def test_of_acts_at_one_moment_one_comes_first_whatever_their_ids():
    both = [sent(2, "share", "a"), sent(3, "copy", "a", at=1_790_000_002_000)]
    assert one(*both)["next_act"] == "copy"


def test_to_look_at_another_sibling_is_an_act_on_both():
    select = sent(3, "select", "a", previous="b", displayed="b")
    found = rows(asked(0, "q"), answered(1, "a", "q"), answered(2, "b", "q"), select)
    assert found["next_act"].to_list() == ["select", "select"]
    assert found["selected"].to_list() == [True, False]


def test_a_gap_in_a_page_counts_for_the_answers_beside_it():
    def on(second: int, message: str, n: int, page: str = "p") -> Event:
        return sent(second, "heartbeat", message, page=page, n=n)

    chat = [asked(0, "q"), *(answered(1 + number, name, "q") for number, name in enumerate("abcd"))]
    events = [on(10, "a", 3), on(11, "a", 5), on(12, "b", 8), on(13, "b", 9), on(14, "c", 2, "other")]
    assert dict(rows(*chat, *events).select("message", "lost").iter_rows()) == {"a": 3, "b": 2, "c": 0, "d": None}


def test_a_lost_connection_explains_itself_where_the_page_told_what_happened():
    lost = sent(2, "disconnect", "a")
    assert one(lost)["disconnected"] is True
    assert one(lost, sent(3, "stop", "a"))["disconnected"] is False
    assert one(lost, sent(3, "close", "a", phase="streaming", cause="tab"))["disconnected"] is False
    inferred = one(lost, sent(3, "close", "a", phase="streaming", cause="inferred"))
    assert (inferred["disconnected"], inferred["closed"], inferred["close_cause"]) == (True, "streaming", "inferred")


def test_acts_that_contradict_one_another_are_all_kept():
    found = one(sent(2, "close", "a", phase="reading", cause="tab"), sent(3, "copy", "a", chars=20), asked(4, "n", "a"))
    assert (found["closed"], found["copied_share"], found["continued"]) == ("reading", 0.5, True)
    assert found["next_act"] == "close"


def test_what_a_copy_does_not_say():
    assert one(sent(2, "copy", "a"))["copied_share"] == 1.0
    prose = one(sent(2, "copy", "a", chars=4), sent(3, "copy", "a", chars=9, part="code"))
    assert (prose["copied_prose_chars"], prose["copied_code_chars"], prose["copied_share"]) == (4, 9, 9 / 40)


def test_arms_are_those_of_the_answer_and_else_those_of_the_first_act_that_has_one():
    acts = [sent(2, "expose", "a", arm={"policy": "c", "anchor": "cut"}), sent(3, "view", "a", arm={"policy": "d"})]
    assert one(*acts)["policy"] == "c"
    own = rows(asked(0, "q"), answered(1, "a", "q", arm={"policy": "b"}), *acts).row(0, named=True)
    assert (own["policy"], own["anchor"]) == ("b", "cut")


def test_only_pauses_while_reading_count():
    pauses = [sent(2, "pause", "a", ms=900, phase="reading"), sent(3, "pause", "a", ms=9000, phase="composing")]
    assert one(*pauses)["longest_pause_ms"] == 900


def test_events_that_name_another_conversation_than_their_message_are_nobodys():
    assert one(sent(2, "vote", "a", value=1, conversation="d"))["vote"] is None


def test_an_assignment_to_being_asked_is_kept_with_what_came_of_it():
    assignment = {"level": "firm", "propensity": 0.25}
    found = one(
        sent(2, "solicit", "a", **assignment), sent(3, "solicit", "a", **assignment, shown=True, answered=False)
    )
    told = {name: found[f"solicit_{name}"] for name in ("level", "shown", "answered", "propensity")}
    assert told == {"level": "firm", "shown": True, "answered": False, "propensity": 0.25}


def test_a_topic_is_the_prompts_and_else_the_answers():
    topic: dict[str, Any] = {"meta": {"topic": "trains"}}
    assert rows(asked(0, "q", **topic), answered(1, "a", "q"))["topic"].to_list() == ["trains"]
    assert rows(asked(0, "q"), answered(1, "a", "q", **topic))["topic"].to_list() == ["trains"]
    assert rows(asked(0, "q", meta={"topic": ["trains"]}), answered(1, "a", "q"))["topic"].to_list() == [None]


def test_one_conversation_may_hold_everything():
    """A chain with a heartbeat, an absence and an inferred close on each: to look from each at all would not end."""
    count = 40_000
    number = pl.int_range(count, eager=True)
    chain = pl.DataFrame({"message": "m" + number.cast(pl.String), "at": 1_790_000_000_000_000 + number * 1_000_000})
    chain = chain.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")), conversation=pl.lit("c"))
    role = pl.when(number % 2 == 0).then(pl.lit("user")).otherwise(pl.lit("assistant"))
    told = chain.with_columns(role=role, parent=pl.col("message").shift(), chars=5, digest=pl.lit("d"))
    kinds: dict[str, dict[str, Any]] = {
        "heartbeat": {}, "return": {"away_ms": 5}, "close": {"cause": "inferred", "silent_ms": 400},
    }  # fmt: skip
    acts = [
        chain.with_columns(event=pl.col("message") + kind, kind=pl.lit(kind), page=pl.lit("p"), n=number * 2)
        .with_columns(pl.lit(value).alias(name) for name, value in said.items())
        for kind, said in kinds.items()
    ]  # fmt: skip
    found = episodes(
        pl.concat([empty(MESSAGES), told], how="diagonal_relaxed"),
        pl.concat([empty(EVENTS), *acts], how="diagonal_relaxed"),
    )
    assert found["turn"].to_list() == sorted(found["turn"])
    assert (found["turn"].max(), found["later_turns"].max()) == (count // 2 - 1, count - 2)
    assert found["reply_after_ms"].drop_nulls().unique().to_list() == [1000]
    assert found["closed"].null_count() == count // 2  # of unknown phase
    assert found["close_cause"].unique().to_list() == ["inferred"]


def test_no_messages_or_no_answers_give_no_rows():
    assert_frame_equal(episodes(empty(MESSAGES), empty(EVENTS)), empty(EPISODES))
    assert_frame_equal(rows(asked(0, "q")), empty(EPISODES))


def test_messages_without_a_single_event_are_rows_all_the_same():
    messages, _, _ = frames(CHAT, SECRET)
    assert episodes(messages, empty(EVENTS))["message"].to_list() == ["a", "b", "c"]


def test_a_frame_without_its_columns_is_refused_by_name():
    with pytest.raises(BadInput, match="events lacks the columns event, kind"):
        episodes(empty(MESSAGES), pl.DataFrame({"message": ["a"]}))


def test_of_two_events_with_one_id_the_first_counts():
    twice = sent(2, "vote", "a", value=1)
    other = sent(2, "vote", "a", value=-1)
    assert one(twice, other)["vote"] == 1


def test_users_leave_as_keyed_hashes():
    messages, events, text_of = frames(CHAT, SECRET)
    assert set(messages["user"].drop_nulls()) == {ANNA, hash_user(SECRET, "bert")}
    assert "anna" not in events.write_json() + messages.write_json()
    assert text_of["q"] == "Where is it?"
