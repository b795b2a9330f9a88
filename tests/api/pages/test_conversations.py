"""The pages about conversations: what they show, whose, how much at once, and that text of strangers stays text."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import quote, urlencode

import pytest

from unspoken.events import hash_user, parse
from unspoken.store import projects, talk
from unspoken.store.database import transaction
from unspoken.store.fold import fold
from unspoken.store.ingest import ingest
from unspoken.store.tables import Dataset, Label

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e{{ 7*7 }}\u2066'\"&"


@pytest.fixture
def say(engine, project, make_event):
    """Stores an event so many seconds after NOW, on one page of the browser."""

    def say(kind, message=None, second=0.0, conversation="talk", into=project, **fields):
        at = (NOW + timedelta(seconds=second)).isoformat()
        event = parse(make_event(kind, conversation=conversation, message=message, at=at, page="tab", **fields))
        with transaction(engine) as session:
            ingest(session, into, [event], sent_at=None, received_at=NOW)
        return event.id

    return say


@pytest.fixture
def basil(say):
    """A prompt, two answers to it, and an edited second prompt whose answer was stopped and left."""
    say("message", "q", 0, text="How do I keep basil alive?", user="ann")
    say("message", "a1", 2, role="assistant", parent="q", text="Drown it daily.", model="tiny", finish="complete")
    say("expose", "a1", 2, user="ann")
    say("hide", None, 4, phase="reading", user="ann")
    say("return", None, 9, phase="reading", away_ms=5000, user="ann")
    say("regenerate", "a1", 10, phase="reading", user="ann")
    say("message", "a2", 12, role="assistant", parent="q", text="Water it from below.", model="tiny")
    say("vote", "a2", 15, value=1, reasons=["short"], comment="Thanks!", user="ann")
    say("message", "p", 20, parent="a2", text="And aphids?", user="ann")
    say("message", "p2", 25, parent="a2", text="And what of aphids?", user="ann")
    say("edit", "p", 25, to="p2", user="ann")
    say("message", "a3", 30, role="assistant", parent="p2", text="Soap and lukewarm water, twice.", finish="stopped")
    say("expose", "a3", 30, user="ann")
    say("stop", "a3", 33, seen_chars=8, total_chars=20, user="ann")
    say("close", None, 40, phase="reading", user="ann", device="phone")
    say("rating", None, 41, user="ann")


def words(answer):
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def test_the_list_shows_prompt_turns_and_what_happened(here, engine, basil):
    assert "New ones are here within a minute" in words(here.get("/conversations"))
    fold(engine)
    said = words(here.get("/conversations"))
    assert "How do I keep basil alive?" in said
    assert "3 turns · 3 answers" in said
    assert re.search(r"regenerate .*vote", said)
    assert "How do I keep" in words(here.get("/conversations?has=stop,close&model=tiny&from=2026-10-01&to=2026-10-01"))
    for other in ("has=share", "model=other", "from=2026-10-02", "to=2026-09-30", "who=abc", "has=stop,share"):
        assert "No conversation like this" in words(here.get(f"/conversations?{other}"))


def test_a_day_that_is_none_is_said_and_nothing_else_in_an_address_breaks_a_page(here, engine, basil):
    fold(engine)
    answer = here.get("/conversations?from=yesterday")
    assert answer.status_code == 422
    assert "2026-10-01" in answer.text
    for strange in ("after=x~", "after=9999~%00", "q=%00", "before=-1&q=a", "has=nothing", "model=%00", "who=%00"):
        assert here.get(f"/conversations?{strange}").status_code == 200, strange
    for strange in ("id=%00", "id=nobody", "id=../..", "id=talk&page=0", "id=talk&page=x"):
        assert here.get(f"/conversations/one?{strange}").status_code in (404, 422), strange
    assert here.get("/conversations/one?id=talk&at=%00").status_code == 200
    assert here.get("/conversations/one?id=talk&page=99").status_code == 200
    assert here.get("/conversations/text?id=talk&message=nobody").status_code == 404


def test_words_are_found_marked_and_lead_to_their_message(here, engine, basil):
    fold(engine)
    answer = here.get("/conversations?q=WATER+below")
    assert "<mark>Water</mark> it from <mark>below</mark>." in answer.text
    assert 'href="/conversations/one?id=talk&amp;at=a2#at"' in answer.text
    assert "That was everything" in answer.text
    assert "No message with all of these words" in words(here.get("/conversations?q=water+zebra"))
    assert "from" in words(here.get("/conversations?q=water&has=stop"))
    assert "No message with" in words(here.get("/conversations?q=water&has=share"))


def test_a_conversation_shows_the_newest_path_and_leads_to_the_others(here, basil):
    answer = here.get("/conversations/one?id=talk")
    said = words(answer)
    order = ["How do I keep basil alive?", "Water it from below.", "And what of aphids?", "Soap and"]
    assert [said.index(each) for each in order] == sorted(said.index(each) for each in order)
    assert "Drown it daily." not in said
    assert "And aphids?" not in said
    assert "2/2" in said
    assert 'href="/conversations/one?id=talk&amp;at=a1#at"' in answer.text
    assert 'href="/conversations/one?id=talk&amp;at=p#at"' in answer.text
    other = words(here.get("/conversations/one?id=talk&at=a1"))
    assert "Drown it daily." in other
    assert "Water it from below." not in other
    assert "1/2" in other


def test_the_text_says_where_its_reader_left(here, basil):
    answer = here.get("/conversations/one?id=talk")
    assert re.search(r"Soap and<span class=\"reader\"[^>]*><span>stopped here</span></span>", answer.text)
    assert '<span class="not-seen"> lukewarm water, twice.</span>' in answer.text


def test_an_answer_has_its_acts_on_a_timeline_and_as_a_list(here, basil):
    answer = here.get("/conversations/one?id=talk&at=a1")
    assert re.search(r"<title>regenerate at 8 s: while reading</title>", answer.text)
    assert "hidden for 5 s" in answer.text
    exact = r'<time class="number" datetime="2026-10-01T12:00:09\+00:00" title="2026-10-01 12:00:09 UTC">7 s</time>'
    assert re.search(exact + ' <b class="context">return</b> <bdi>while reading', answer.text)
    newest = here.get("/conversations/one?id=talk")
    assert "close while reading" in words(newest)  # it named no message: the page showed this answer last
    assert "+1 (short), “Thanks!”" in words(newest)
    assert "quality: 4 of 1 to 5" in words(newest).partition("About the conversation as a whole")[2]
    for detail in ("model tiny", "finish stopped", "Device phone"):
        assert detail in words(newest)


def test_what_was_sent_a_moment_ago_is_there_before_anything_is_folded(here, engine, say):
    say("message", "q", text="First")
    fold(engine)
    say("message", "a", 1, parent="q", role="assistant", text="Second")
    said = words(here.get("/conversations/one?id=talk"))
    assert "First" in said
    assert "Second" in said
    assert "Events 2" in said


def test_events_of_a_message_that_never_came_stand_together_and_say_so(here, engine, project, say):
    say("expose", "lost", 0)
    say("vote", "lost", 3, value=1)
    say("close", None, 9, phase="reading")
    say("copy", "other", 12)
    said = words(here.get("/conversations/one?id=talk"))
    lost, other = said.index("Events of lost , whose text has not come"), said.index("Events of other , whose")
    assert "vote +1 close while reading" in said[lost:other]
    assert "3 events as a list" in said[lost:other]
    assert "parked" in said[lost:other]
    assert "POST /v1/events" in said[lost:other]
    assert "1 event as a list" in said[other:]
    assert "About the conversation as a whole" not in said
    assert "No text of this conversation has come" in said
    say("message", "lost", 1, role="assistant", text="Here I am")
    said = words(here.get("/conversations/one?id=talk"))
    assert "Events of lost" not in said
    assert "Here I am vote +1 close while reading" in said
    assert "Events of other" in said


def test_events_of_a_message_further_back_than_is_read_do_not_say_that_it_never_came(here, say, monkeypatch):
    say("message", "early", 0, text="Long ago")
    for second in range(3):
        say("copy", "early", 10 + second)
    monkeypatch.setattr(talk, "MOST", 2)  # a bound, not a behaviour
    said = words(here.get("/conversations/one?id=talk"))
    assert "Only the newest 2 events" in said
    assert "Events of early Its text stands further back" in said


def test_what_was_only_shown_or_asked_is_no_mark_of_what_they_said(here, engine, say):
    say("message", "a", 0, role="assistant", text="Hello")
    say("expose", "a", 0)
    say("solicit", "a", 0, level="soft", shown=False)
    say("hide", None, 4)
    fold(engine)
    answer = here.get("/conversations/one?id=talk")
    assert '<span class="tag context">solicit <bdi>nobody asked</bdi></span>' in answer.text
    assert 'class="mark context"' in answer.text
    assert "mark stated" not in answer.text
    assert '<figure class="timeline rows-0">' in answer.text  # no name, and no room for one
    assert '<span class="tag context">hide</span>' in here.get("/conversations").text


def test_labels_of_the_newest_dataset_stand_below_their_answer(here, engine, project, basil, say):
    seen = say("copy", "a3", 50)
    with transaction(engine) as session:
        for age, p, gone in ((2, 0.111, None), (1, 0.875, None), (0, 0.222, NOW)):
            dataset = Dataset(
                project_id=project.id, recipe={}, horizon={}, digest=f"d{age}", funnel={}, finished_at=NOW,
                created_at=NOW - timedelta(hours=age), withdrawn_at=gone,
            )  # fmt: skip
            session.add(dataset)
            session.flush()
            moved = [{"act": "copy_code", "by": 1.23}, {"act": "dwell", "by": -0.38}]
            label = Label(
                dataset_id=dataset.id,
                message="a3",
                family="revealed",
                rule="factor/1",
                p=p,
                moved=moved,
                evidence=[seen],
            )
            session.add(label)
    said = words(here.get("/conversations/one?id=talk"))
    assert "P(better than their usual)" in said
    assert "revealed 0.88 factor/1 copy moved by copy code +1.2, dwell −0.4" in said
    assert "0.11" not in said
    assert "0.22" not in said


def test_hostile_text_stays_text_on_every_page(here, engine, say):
    name = f"{HOSTILE}/../x"[:200]
    say("message", "q" + HOSTILE, 0, name, text=HOSTILE, user=HOSTILE)
    meta = {"parent": "q" + HOSTILE, "role": "assistant", "model": HOSTILE, "meta": {HOSTILE: HOSTILE}}
    say("message", "a" + HOSTILE, 1, name, text=HOSTILE * 200, arm={HOSTILE: HOSTILE}, session=HOSTILE, **meta)
    say("vote", "a" + HOSTILE, 2, name, comment=HOSTILE, reasons=[HOSTILE], consent=HOSTILE)
    say("vote", "never came" + HOSTILE, 3, name, comment=HOSTILE)
    say("rating", None, 4, name, scale=HOSTILE)
    fold(engine)
    pages = [
        "/conversations",
        "/conversations?" + urlencode({"q": "<script>alert(1)", "model": HOSTILE, "has": HOSTILE, "who": HOSTILE}),
        "/conversations?" + urlencode({"q": "alert(1)"}),
        "/conversations/one?" + urlencode({"id": name}),
        "/conversations/text?" + urlencode({"id": name, "message": "a" + HOSTILE}),
    ]
    for page in pages:
        answer = here.get(page)
        assert answer.status_code == 200, page
        assert "<script>" not in answer.text
        assert "<img" not in answer.text
        assert "{{" not in answer.text or "{{ 7*7 }}" in answer.text
        assert " style=" not in answer.text
        assert not re.search(r"\son[a-z]+=", re.sub(r'"[^"]*"|>[^<]*<', "", answer.text))
    one = here.get(pages[3]).text
    for text in re.findall(r">[^<]*\u202e[^<]*<", one):
        before = one[: one.index(text) + 1]
        assert re.search(r"(<bdi[^>]*>|dir=\"auto\"[^>]*>|<title[^>]*>|<span[^>]*>)$", before), text


def test_a_text_of_a_million_characters_is_cut_and_stands_as_a_whole_elsewhere(here, say):
    say("message", "q", text="x" * 999_988 + "the very end")
    answer = here.get("/conversations/one?id=talk")
    assert len(answer.text) < 40_000
    assert "996\u202f000 more characters" in answer.text
    [link] = re.findall(r'href="(/conversations/text[^"]+)"', answer.text)
    assert "the very end" in here.get(unescape(link)).text


def test_a_long_conversation_comes_in_pages(here, engine, project, make_event):
    events = []
    for number in range(400):
        above = {"parent": f"m{number - 1}"} if number else {}
        at = (NOW + timedelta(seconds=number)).isoformat()
        role = "assistant" if number % 2 else "user"
        own = {"conversation": "long", "message": f"m{number}"}
        events.append(make_event("message", at=at, role=role, text=f"text {number}.", **own, **above))
        events += [make_event("heartbeat", at=at, **own) for _ in range(9)]
    with transaction(engine) as session:
        ingest(session, project, [parse(each) for each in events], sent_at=None, received_at=NOW)
    fold(engine)
    first = here.get("/conversations/one?id=long")
    assert "text 19." in first.text
    assert "text 20." not in first.text
    assert "page 1 of 20" in first.text
    assert len(first.text) < 200_000
    assert "text 20." in here.get("/conversations/one?id=long&page=2").text
    assert "text 333." in here.get("/conversations/one?id=long&at=m333").text


def test_a_user_is_looked_up_by_a_hash_that_a_form_asks_for(here, engine, project, basil):
    fold(engine)
    origin = {"origin": "http://127.0.0.1:8000"}
    answer = here.post("/conversations/user?has=stop", data={"user": "ann"}, headers=origin, follow_redirects=False)
    assert answer.status_code == 303
    there = answer.headers["location"]
    assert f"who={hash_user(project.user_secret, 'ann')}" in there
    assert "has=stop" in there
    assert "ann" not in there.partition("?")[2].replace("conversations", "")
    assert "How do I keep basil alive?" in here.get(there).text
    assert here.post("/conversations/user", data={"user": "ann"}).status_code == 403  # from another site, or none


def test_another_project_is_not_shown_whatever_is_asked(here, engine, stranger, key_of, basil, say):
    with transaction(engine) as session:
        other = projects.create(session, "other")
    say("message", "secret", conversation="theirs", into=other, text="quokkaplume is here", user="bob")
    say("message", "hidden", conversation="talk", into=other, text="quokkaplume is here", user="bob")
    fold(engine)
    mine = {"authorization": f"Bearer {key_of('admin')}"}
    asked = [
        "/conversations", "/conversations?q=quokkaplume", "/conversations/one?id=talk", "/conversations/one?id=theirs",
        "/conversations/text?id=theirs&message=secret", "/conversations/text?id=talk&message=hidden",
        f"/conversations?who={hash_user(other.user_secret, 'bob')}", "/conversations?project=other",
        "/conversations/one?id=theirs&project=other", "/signals?project=other", "/labels?project=other",
    ]  # fmt: skip
    for path in asked:
        answer = stranger.get(path, headers=mine)
        assert "is here" not in answer.text, path
    assert stranger.get("/conversations/one?id=theirs", headers=mine).status_code == 404
    assert "quokkaplume" in here.get("/conversations/one?id=theirs&project=other").text


def test_strangers_are_asked_to_sign_in(stranger, key_of):
    for path in (
        "/conversations",
        "/conversations/one?id=x",
        "/conversations/text?id=x&message=y",
        "/signals",
        "/labels",
    ):
        assert stranger.get(path).status_code == 401, path
        secret = {"authorization": f"Bearer {key_of('secret')}"}
        assert stranger.get(path, headers=secret).status_code == 403, path


def test_ids_with_odd_characters_are_reached(here, engine, say):
    for name in ("..", "a/b?c#d&e=f", "100%", "ünï côde", "+ +"):
        say("message", f"m-{name}", conversation=name, text=f"I am {name}")
    fold(engine)
    links = re.findall(r'href="(/conversations/one[^"]+)"', here.get("/conversations").text)
    assert len(links) == 5
    for link in links:
        assert "I am" in here.get(unescape(link)).text
    assert quote("a/b?c#d&e=f", safe="") in " ".join(map(unescape, links))
