"""Words in messages: in any case and script, the newest first, bounded in time, and of their own project alone."""

from datetime import UTC, datetime

import pytest

from unspoken.events import parse
from unspoken.store import projects, searching
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import ingest
from unspoken.store.searching import excerpt, search, words_of

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def tell(engine, project, make_event):
    """Stores texts as messages, one after the other; m0, m1, … of the conversations c0, c1, …"""

    def tell(*texts, into=project):
        with transaction(engine) as session:
            for place, text in enumerate(texts):
                event = parse(make_event("message", conversation=f"c{place}", message=f"m{place}", text=text))
                ingest(session, into, [event], sent_at=None, received_at=NOW)

    return tell


@pytest.fixture
def look(engine, project):
    """What a search finds."""

    def look(said, before=None, accept=None, limit=20):
        with reading(engine) as session:
            return search(session, project.number, words_of(said), before, accept, limit)

    return look


def found(result):
    return [hit.message for hit in result.hits]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("STATION", "Where is the Station?"),
        ("is where", "Where is the station?"),
        ("strasse", "In der Straße 7"),
        ("ΣΊΣΥΦΟΣ", "ο σίσυφος"),
        ("москва", "МОСКВА слезам не верит"),
        ("天気", "今日の天気は?"),
        ("cafe\u0301", "Un caf\u00e9, s'il vous plaît"),
        ("שלום", "אמר שלום לכולם"),
        ("100%", "It is 100% sure"),
        ("a_b", "the name a_b"),
    ],
)
def test_words_are_found_in_any_case_and_script(tell, look, said, text):
    tell("something else entirely", text, "% _ \\ nothing")
    assert found(look(said)) == ["m1"]


def test_all_words_must_be_there_and_the_newest_comes_first(tell, look):
    tell("red and blue", "red", "blue red", "blue")
    assert found(look("red blue")) == ["m2", "m0"]
    assert found(look("green")) == []
    assert look("green").before is None


def test_a_page_of_hits_says_where_to_go_on(tell, look):
    tell(*(f"needle {place}" for place in range(7)))
    seen, before = [], None
    while True:
        page = look("needle", before, limit=3)
        seen += found(page)
        before = page.before
        if before is None:
            break
    assert seen == [f"m{place}" for place in reversed(range(7))]


def test_a_search_ends_when_its_time_is_over_and_goes_on_from_there(tell, look, monkeypatch):
    tell("the needle", *("hay" for _ in range(20)))
    monkeypatch.setattr(searching, "BUDGET_S", 0.0)
    monkeypatch.setattr(searching, "TEXTS", 4)
    seen, before, requests = [], None, 0
    while True:
        page = look("needle", before)
        seen += found(page)
        before, requests = page.before, requests + 1
        if before is None:
            break
        assert page.back_to == NOW
    assert seen == ["m0"]
    assert requests > 4


def test_another_projects_messages_are_not_found(engine, tell, look):
    with transaction(engine) as session:
        other = projects.create(session, "other")
    tell("a secret", into=other)
    tell("nothing")
    assert found(look("secret")) == []


def test_a_message_told_twice_is_found_once_and_only_the_accepted(tell, look):
    tell("needle one", "needle two")
    tell("needle one", "needle two")
    assert found(look("needle")) == ["m1", "m0"]
    assert found(look("needle", accept=lambda names: {"c0"} & set(names))) == ["m0"]


def test_the_end_of_a_very_long_message_is_not_searched(tell, look):
    tell("x" * searching.SEARCHED + " needle", "needle " + "x" * 500_000)
    assert found(look("needle")) == ["m1"]


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("Where is the Station?", ["station"], ["Station"]),
        ("In der Straße, strasse", ["strasse"], ["Straße", "strasse"]),
        ("İstanbul İSTANBUL", ["i̇stanbul"], ["İstanbul", "İSTANBUL"]),
        ("aaaa", ["aa", "a"], ["aa", "aa"]),
        ("Un cafe\u0301 noir", ["café"], ["café"]),
    ],
)
def test_an_excerpt_marks_the_words_as_they_were_written(text, words, marked):
    assert [piece for piece, is_marked in excerpt(text, words) if is_marked] == marked


def test_an_excerpt_is_short_and_holds_the_first_word():
    pieces = excerpt("x" * 50_000 + " needle " + "y" * 50_000, ["needle"])
    whole = "".join(piece for piece, _ in pieces)
    assert ("needle", True) in pieces
    assert len(whole) < 300
    assert whole.startswith("…")
    assert whole.endswith("…")


def test_many_words_are_cut_and_none_is_nothing():
    assert words_of("  \n ") == []
    assert len(words_of(" ".join(f"w{n}" for n in range(1000)))) == searching.WORDS
    assert words_of("A a Á") == ["a", "á"]
