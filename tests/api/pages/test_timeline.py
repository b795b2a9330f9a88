"""Acts on an axis: in order, within the picture, and the text where its reader left."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.api.pages.reading import about, chips, said
from unspoken.api.pages.timeline import MOST, timeline
from unspoken.api.pages.wording import detail, seconds
from unspoken.events import KINDS
from unspoken.store.talk import Act, Text

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def act(kind, at=0.0, message="a", page="tab", **fields):
    when = NOW + timedelta(seconds=at)
    return Act(round(at * 1000), f"e{kind}{at}", kind, when, message, None, page, None, None, None, None, fields)


def drawn(acts):
    line = timeline(acts)
    assert line is not None
    return line


def test_time_counts_from_the_exposure_and_what_was_seen_is_one_bar():
    line = drawn([act("expose", 1), act("heartbeat", 4), act("hide", 6), act("return", 16), act("copy", 20)])
    assert [(mark.kind, mark.at_s) for mark in line.marks] == [("heartbeat", 3), ("copy", 19)]
    assert [(each.kind, each.detail) for each in line.stretches] == [
        ("visible", "on the screen for 5 s"),
        ("hidden", "hidden for 10 s"),
        ("visible", "on the screen for 4 s"),
    ]
    assert line.ticks[0] == (3.0, "0 s")
    assert [each.kind for each in line.acts] == ["expose", "heartbeat", "hide", "return", "copy"]


def test_what_was_only_shown_or_asked_takes_no_name_from_what_was_said():
    line = drawn([act("expose"), act("solicit", 1, shown=True), act("vote", 1, value=1), act("solicit", 60)])
    # Drawn first, it lies beneath the vote of the same moment.
    assert [(mark.kind, mark.row) for mark in line.marks] == [("solicit", 0), ("solicit", 0), ("vote", 1)]


def test_nothing_is_no_timeline():
    assert timeline([]) is None


def test_a_long_silence_is_drawn_short_and_says_how_long_it_was():
    line = drawn([act("expose", 0), act("stop", 5), act("close", 7205)])
    stop, close = line.marks
    assert stop.x > 25
    assert close.x == 97.0
    assert [each.detail for each in line.stretches if each.kind == "gap"] == ["2 h without anything"]
    assert "2 h" in [words for _, words in line.ticks]


def test_many_acts_are_drawn_in_part_and_said_to_be():
    line = drawn([act("heartbeat", n) for n in range(3_000)] + [act("vote", 3_001, value=1)])
    assert len(line.marks) == MOST
    assert "vote" in [mark.kind for mark in line.marks]
    assert line.left_out == 3_001 - len(line.acts)


moments = st.floats(-1e6, 1e6, allow_nan=False)


@given(
    st.lists(
        st.tuples(st.sampled_from([kind for kind in KINDS if kind != "message"]), moments), min_size=1, max_size=30
    )
)
def test_everything_stands_within_the_picture_in_order(pairs):
    acts = sorted(
        (act(kind, at, ms=1500) if kind == "pause" else act(kind, at) for kind, at in pairs), key=lambda a: a.at
    )
    line = drawn(acts)
    places = [mark.x for mark in line.acts]
    assert places == sorted(places)
    assert all(3 <= mark.x <= 97 for mark in line.marks)
    assert all(each.x >= 3 and each.width >= 0 and each.x + each.width <= 97.5 for each in line.stretches)
    named = {row: [mark.x for mark in line.marks if mark.row == row] for row in (1, 2)}
    for xs in named.values():
        assert all(after - before >= 10.9 for before, after in pairwise(xs))


def test_an_act_that_names_no_message_is_about_the_answer_its_page_last_showed():
    roles = {"a": "assistant", "b": "assistant", "q": "user"}
    acts = [
        act("expose", 1, "a"),
        act("expose", 2, "b", page="other"),
        act("close", 3, None),
        act("hide", 4, None, page="third"),
        act("rating", 5, None),
        act("choice", 6, None, chosen="a", rejected=["b", "gone"]),
        act("vote", 7, "gone"),
        act("edit", 8, "q"),
        act("pause", 9, None),
        act("choice", 10, None, chosen="gone", rejected=["lost"]),
        act("expose", 11, "gone"),
        act("close", 12, None),
    ]
    found = {key: [each.kind for each in of] for key, of in about(acts, roles).items()}
    assert found == {
        "a": ["expose", "close", "choice", "pause"],
        "b": ["expose", "choice"],
        None: ["hide", "rating"],
        "gone": ["vote", "choice", "expose", "close"],
        "lost": ["choice"],
        "q": ["edit"],
    }


@pytest.mark.parametrize(
    ("text", "acts", "cut"),
    [
        ("0123456789", [act("view", 1, seen_chars=4, total_chars=10)], ("0123", "seen to here")),
        ("0123456789", [act("view", 1, seen_chars=10, total_chars=10)], ("0123456789", "")),
        ("0123456789", [act("view", 1, seen_chars=99)], ("0123456789", "")),
        ("0123456789", [act("stop", 1, seen_chars=3), act("close", 9, seen_chars=3)], ("012", "stopped here")),
        ("0123456789", [act("close", 1, seen_chars=0)], ("", "left here")),
        ("0123456789", [act("vote", 1, value=1)], ("0123456789", "")),
        ("😀😀ab", [act("view", 1, seen_chars=4, total_chars=6)], ("😀😀", "seen to here")),
        ("😀😀ab", [act("view", 1, seen_chars=2, total_chars=4)], ("😀😀", "seen to here")),
        ("", [act("close", 1, seen_chars=3)], ("", "")),
    ],
)
def test_a_text_is_cut_where_its_reader_left(text, acts, cut):
    found = said(Text(text, len(text)), acts)
    assert (found.before, found.mark) == cut
    assert found.before + found.after == text


def test_chips_leave_out_what_every_answer_has():
    acts = [
        act("expose"),
        act("heartbeat"),
        act("vote", value=-1),
        act("copy"),
        act("copy"),
        act("close", phase="reading"),
    ]
    assert chips(acts) == [("vote", 1, "\u22121"), ("copy", 2, ""), ("close", 1, "while reading")]


def test_every_kind_can_be_said_in_words_with_or_without_its_fields():
    assert [detail(act(kind)) for kind in KINDS]
    assert detail(act("view", visible_ms=12_000, hidden_ms=0, seen_chars=3, total_chars=9)) == (
        "visible 12 s, seen 3 of 9 characters"
    )
    asked = [detail(act("solicit", level="soft", **said)) for said in ({}, {"shown": True}, {"shown": False})]
    assert asked == ["soft", "soft, asked", "soft, nobody was asked"]
    assert detail(act("pause", ms=2500, phase="reading")) == "while reading, for 2.5 s"
    assert detail(act("choice", rejected=["x", "y"], tie=True)) == "a tie of x, y"
    assert [seconds(each) for each in (0, 0.26, -3, 59, 125, 7200, 200_000)] == [
        "0 s", "0.3 s", "\u22123 s", "59 s", "2.1 min", "2 h", "2.3 d",
    ]  # fmt: skip
