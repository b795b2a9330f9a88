"""Messages as a tree, whatever order, loops and gaps they come with."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from unspoken.api.pages.threads import Threads
from unspoken.store.talk import Act

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def told(message, parent=None, role="user", at=0, seq=None, **fields):
    own = {"role": role, **({"parent": parent} if parent else {}), **fields}
    when = NOW + timedelta(seconds=at)
    number = at if seq is None else seq
    return Act(number, f"e{number}", "message", when, message, None, None, None, None, None, None, own)


def path(threads, at=None):
    return [place.node.id for place in threads.path(at)]


def test_a_path_goes_through_the_one_named_to_the_newest_below():
    threads = Threads(
        [
            told("q", at=0),
            told("a1", "q", "assistant", 1),
            told("a2", "q", "assistant", 2),
            told("p1", "a1", at=5),
            told("p2", "a2", at=4),
        ]
    )
    assert path(threads) == ["q", "a1", "p1"]
    assert path(threads, "a2") == ["q", "a2", "p2"]
    assert path(threads, "q") == ["q", "a1", "p1"]
    assert path(threads, "nobody") == ["q", "a1", "p1"]
    [_, place, _] = threads.path("a2")
    assert (place.number, place.before, place.after) == (2, "a1", None)


def test_roots_are_siblings_of_their_role_and_a_parent_that_never_came_makes_one():
    threads = Threads([told("s", at=0, role="system"), told("q", at=1), told("r", at=2), told("x", "gone", at=3)])
    [place] = threads.path("q")
    assert [each.id for each in place.siblings] == ["q", "r", "x"]


def test_messages_that_name_no_parent_at_all_stand_in_a_row():
    threads = Threads([told("b", at=2), told("a", at=1), told("c", at=3)])
    assert threads.flat
    assert path(threads) == ["a", "b", "c"]
    assert not Threads([told("only")]).flat


def test_what_a_later_report_adds_is_taken():
    threads = Threads([told("a", at=0), told("b", at=1), told("b", "a", at=2, model="tiny")])
    assert path(threads) == ["a", "b"]
    assert threads.nodes["b"].said("model") == "tiny"


def test_nothing_has_no_path():
    assert Threads([]).path("x") == []


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9), st.sampled_from(["user", "assistant"])), max_size=14))
def test_every_message_is_reached_once_whatever_names_what(messages):
    acts = [
        told(f"m{name}", f"m{parent}" if parent != name else None, role, place)
        for place, (name, parent, role) in enumerate(messages)
    ]
    threads = Threads(acts)
    for name in threads.nodes:
        way = path(threads, name)
        assert name in way
        assert len(way) == len(set(way))
        for place in threads.path(name):
            assert place.siblings[place.number - 1] is place.node


def test_a_conversation_of_thousands_is_no_deep_recursion():
    threads = Threads([told(f"m{n}", f"m{n - 1}" if n else None, at=n) for n in range(5_000)])
    assert len(path(threads)) == 5_000
