"""The rule of silence, on the events of one conversation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.events import PRESENT
from unspoken.store.silence import HEARD, SILENT, Act, Silence, silences

START = datetime(2026, 10, 1, tzinfo=UTC)
GRACE = timedelta(minutes=30)


def act(minute: float, kind: str, message: str | None = "a", page: str | None = "p", **more) -> Act:
    return Act(f"{kind}@{minute:g}", kind, START + timedelta(minutes=minute), page, message=message, **more)


def left(*acts: Act, until: float = 600) -> list[str]:
    return [each.event for each in silences(acts, GRACE, START + timedelta(minutes=until))]


@pytest.mark.parametrize("kind", SILENT)
def test_what_nothing_follows_was_the_last(kind):
    assert left(act(0, kind)) == [f"{kind}@0"]


@pytest.mark.parametrize("kind", SILENT)
def test_the_grace_period_has_to_be_over(kind):
    assert left(act(0, kind), until=30) == []
    assert left(act(0, kind), until=30.1) == [f"{kind}@0"]


@pytest.mark.parametrize("kind", PRESENT)
def test_an_act_within_the_grace_period_shows_that_they_stayed(kind):
    for silent in SILENT:
        assert left(act(0, silent), act(30, kind)) == []
        assert left(act(0, silent), act(31, kind)) == [f"{silent}@0"]


def test_a_heartbeat_that_ends_in_a_view_a_stop_or_a_close_is_no_silence():
    for end in ("view", "stop", "close"):
        assert left(act(0, "expose"), act(1, "heartbeat"), act(2, end)) == []


def test_of_a_run_of_heartbeats_the_last_is_the_last():
    assert left(*(act(minute, "heartbeat") for minute in range(50))) == ["heartbeat@49"]


def test_hiding_is_not_undone_by_what_a_hidden_page_does():
    acts = [act(0, "heartbeat"), act(1, "hide"), act(1, "view"), act(5, "heartbeat"), act(6, "expose", "b")]
    assert left(*acts) == ["hide@1"]
    assert left(*acts, act(20, "return")) == []


def test_a_page_that_was_closed_is_not_closed_again():
    assert left(act(0, "expose"), act(1, "close"), act(1.001, "hide")) == []
    assert left(act(0, "expose"), act(1, "hide"), act(1.001, "close")) == []
    assert left(act(0, "hide"), act(90, "hide"), act(91, "heartbeat")) == ["hide@0"]


def test_a_user_who_comes_back_late_may_leave_again():
    assert left(act(0, "hide"), act(90, "return"), act(91, "hide")) == ["hide@0", "hide@91"]


def test_the_same_person_on_another_page_is_there_and_another_person_is_not():
    mine = act(0, "hide", user="ann")
    assert left(mine, act(5, "vote", page="q", user="ann")) == []
    assert left(mine, act(5, "message", page=None, user="ann")) == []
    assert left(mine, act(5, "vote", page="q")) == []
    assert left(mine, act(5, "vote", page="q", user="bob")) == ["hide@0"]


def test_two_pages_are_closed_apart():
    assert left(act(0, "hide"), act(1, "expose", page="q"), act(2, "view", page="q")) == ["hide@0"]
    assert left(act(0, "hide"), act(1, "heartbeat", page="q")) == ["hide@0", "heartbeat@1"]


def test_a_close_says_what_was_in_sight():
    acts = [
        act(0, "expose", "a"),
        act(1, "heartbeat", "a", seen_chars=90, total_chars=90),
        act(2, "expose", "b"),
        act(3, "heartbeat", "b", seen_chars=10, total_chars=40),
        act(4, "pause", "b", phase="streaming"),
        act(5, "heartbeat", "b", seen_chars=30, total_chars=50),
    ]
    [silence] = silences(acts, GRACE, START + GRACE * 2)
    assert silence == Silence("heartbeat@5", "b", "streaming", 30, 50)
    [silence] = silences([*acts, act(6, "hide", None, phase="reading")], GRACE, START + GRACE * 2)
    assert silence == Silence("hide@6", "b", "reading", 30, 50)


def test_a_phase_that_was_named_first_is_kept():
    [silence] = silences([act(0, "pause", phase="reading"), act(1, "heartbeat")], GRACE, START + GRACE * 2)
    assert silence == Silence("heartbeat@1", "a", "reading", None, None)


def test_a_phase_of_another_message_is_not_this_ones():
    [silence] = silences([act(0, "pause", "a", phase="reading"), act(1, "expose", "b")], GRACE, START + GRACE * 2)
    assert silence == Silence("expose@1", "b", None, None, None)


def test_what_has_just_come_is_left_for_later():
    assert left(act(0, "hide", settled=False)) == []


ACTS = st.builds(
    Act,
    id=st.uuids().map(str),
    kind=st.sampled_from((*HEARD, "message")),
    at=st.integers(0, 200).map(lambda minute: START + timedelta(minutes=minute)),
    page=st.sampled_from((None, "p", "q")),
    n=st.sampled_from((None, 0, 1)),
    user=st.sampled_from((None, "ann", "bob")),
    message=st.sampled_from((None, "a", "b")),
)


@given(st.lists(ACTS, max_size=12), st.randoms(use_true_random=False), st.integers(0, 300))
def test_any_order_and_any_repetition_gives_the_same(acts, random, minutes):
    until = START + timedelta(minutes=minutes)
    shuffled = [*acts, *acts[:3]]
    random.shuffle(shuffled)
    found = silences(acts, GRACE, until)
    assert silences(shuffled, GRACE, until) == found
    kinds = {each.id: each for each in acts}
    assert all(kinds[one.event].kind in SILENT and until - kinds[one.event].at > GRACE for one in found)
    assert len({one.event for one in found}) == len(found)


@given(st.lists(ACTS, max_size=12), st.integers(0, 300), st.integers(0, 300))
def test_what_was_found_stays_found_when_time_goes_on(acts, first, second):
    early, late = (START + timedelta(minutes=minutes) for minutes in sorted((first, second)))
    assert {each.event for each in silences([one for one in acts if one.at <= early], GRACE, early)} <= {
        each.event for each in silences(acts, GRACE, late)
    }
