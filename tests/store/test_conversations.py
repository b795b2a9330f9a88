"""Conversations as a list: in order, by what happened in them, bounded, and of their own project alone."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.event import listen

from unspoken.events import hash_user, parse
from unspoken.jobs import erasing
from unspoken.store import conversations, projects, retention, talk
from unspoken.store.conversations import Filter, listed, place_of, said_place
from unspoken.store.database import reading, transaction
from unspoken.store.fold import BITS, BLOCK, fold
from unspoken.store.ingest import ingest
from unspoken.store.tables import Conversation, Event, Participant, Span, Tally

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def say(engine, project, make_event):
    """Stores an event so many minutes after NOW."""

    def say(kind="message", conversation="c1", message=None, minute=0, into=project, received_at=NOW, **fields):
        at = (NOW + timedelta(minutes=minute)).isoformat()
        event = make_event(kind, conversation=conversation, message=message or f"{conversation}-m", at=at, **fields)
        with transaction(engine) as session:
            ingest(session, into, [parse(event)], sent_at=None, received_at=received_at)

    return say


@pytest.fixture
def see(engine, project):
    """The list of the project's conversations, after folding."""

    def see(wanted=None, after=None, limit=25, of=project):
        fold(engine)
        with reading(engine) as session:
            return listed(session, of.number, wanted or Filter(), after, limit)

    return see


def names(listing):
    return [row.id for row in listing.rows]


def test_the_latest_activity_comes_first_with_what_is_in_it(say, see):
    say("message", "early", minute=1, text="Where is the station?", user="ann")
    say("message", "late", "q", minute=2, text="Hello", user="bob")
    say("message", "late", "a", minute=3, role="assistant", parent="q", text="Hi", model="tiny")
    say("vote", "late", "a", minute=4)
    say("message", "late", "q2", minute=5, parent="a", text="More")
    say("copy", "early", minute=2)
    late, early = see().rows
    assert (late.id, late.turns, late.answers, late.prompt, late.models) == ("late", 2, 1, "Hello", {"tiny"})
    assert late.kinds == Counter({"message": 3, "vote": 1})
    assert late.last_at == NOW + timedelta(minutes=5)
    assert (early.id, early.prompt, early.more) == ("early", "Where is the station?", False)


def test_pages_show_each_conversation_once_also_where_times_are_the_same(say, see):
    for number in range(7):
        say("message", f"c{number}", minute=number // 3)
    seen, after = [], None
    while True:
        page = see(after=after, limit=2)
        seen += names(page)
        after = page.after
        if after is None:
            break
        assert place_of(said_place(after) or "") == after
    assert sorted(seen) == [f"c{number}" for number in range(7)]
    assert seen[0] == "c6"


def test_filters_say_which(say, see, project):
    say("message", "one", text="Hi", user="ann")
    say("message", "one", "one-a", role="assistant", model="big")
    say("copy", "one", "one-a", minute=3)
    say("message", "two", text="Hi", user="bob", minute=60 * 30)
    say("close", "two", minute=60 * 30)
    say("copy", "two", minute=60 * 30)
    ann = hash_user(project.user_secret, "ann")
    assert names(see(Filter(kinds=("copy",)))) == ["two", "one"]
    assert names(see(Filter(kinds=("copy", "close")))) == ["two"]
    assert names(see(Filter(user=ann))) == ["one"]
    assert names(see(Filter(user=ann, kinds=("close",)))) == []
    assert names(see(Filter(user="nobody"))) == []
    assert names(see(Filter(model="big"))) == ["one"]
    assert names(see(Filter(since=NOW + timedelta(hours=1)))) == ["two"]
    assert names(see(Filter(until=NOW + timedelta(hours=1)))) == ["one"]
    assert names(see(Filter(user=ann), after=(NOW, "a"))) == []


def test_what_a_search_found_is_held_against_the_same_filters(engine, say, see, project):
    say("message", "one", user="ann", model="big", role="assistant")
    say("message", "two", user="bob")
    say("vote", "two")
    see()
    both = ["one", "two", "not there"]
    asked = [
        Filter(),
        Filter(kinds=("vote",)),
        Filter(user=hash_user(project.user_secret, "ann")),
        Filter(model="big"),
        Filter(until=NOW),
    ]
    with reading(engine) as session:
        found = [conversations.matching(session, project.number, each, both) for each in asked]
    assert found == [{"one", "two"}, {"two"}, {"one"}, {"one"}, set()]


def test_a_request_looks_at_a_bounded_part_and_says_where_to_go_on(say, see, monkeypatch):
    for number in range(9):
        say("share" if number == 0 else "message", f"c{number}", minute=number)
    monkeypatch.setattr(conversations, "WINDOW", 4)
    first = see(Filter(kinds=("share",)))
    assert (names(first), first.looked_to) == ([], NOW + timedelta(minutes=5))
    second = see(Filter(kinds=("share",)), after=first.after)
    third = see(Filter(kinds=("share",)), after=second.after)
    assert (names(second), names(third), third.after) == ([], ["c0"], None)
    monkeypatch.setattr(conversations, "LOOKED", 2)
    asked = see(Filter(model="none"))
    assert (names(asked), asked.after) == ([], (NOW + timedelta(minutes=7), "c7"))


def test_another_project_is_not_seen(engine, say, see):
    with transaction(engine) as session:
        other = projects.create(session, "other")
    say("message", "c1", text="Mine", user="ann")
    say("message", "c1", text="Theirs", user="ann", into=other)
    say("copy", "c1", into=other)
    say("message", "c2", into=other)
    [mine] = see().rows
    assert (mine.prompt, mine.kinds, mine.turns) == ("Mine", {"message": 1}, 1)
    assert names(see(of=other)) == ["c2", "c1"]


def test_a_long_conversation_is_counted_in_part(say, see, engine, project, make_event):
    from unspoken.store import fold as folding

    step, block = dict(folding.STEP), folding.BLOCK
    folding.STEP.update(seq=10, transaction=1)
    folding.BLOCK = 1
    try:
        for number in range(60):
            say("message", "long", f"m{number}", text=f"text {number}", minute=number)
        [row] = see().rows
    finally:
        folding.STEP.update(step)
        folding.BLOCK = block
    assert row.more
    assert row.prompt == "text 0"
    assert row.turns == conversations.SPANS + conversations.OLDEST


def test_a_conversation_of_heavy_events_is_read_in_part(engine, project, make_event):
    """Rows alone are no bound: each event may hold 4 KB of objects, which take ten times as much in memory."""
    heavy: dict[str, list[str]] = {f"k{number}": [] for number in range(390)}
    sent = [parse(make_event("message", message=f"m{number}", conversation="big", meta=heavy)) for number in range(900)]
    with transaction(engine) as session:
        ingest(session, project, sent, sent_at=None, received_at=NOW)
    with reading(engine) as session:
        found = talk.read(session, project.number, "big")
    assert found.more
    size = talk.MOST_CHARS / 4_100
    assert size * 0.8 < len(found.acts) < size * 1.3


def test_sqlite_reads_the_ranges_of_a_conversation_and_never_the_whole_table(sqlite_engine):
    with transaction(sqlite_engine) as session:
        project = projects.create(session, "wide").number
        rows = [
            {
                "seq": number * (BLOCK + 1), "project": project, "id": str(UUID(int=number)), "kind": "message",
                "conversation": "wide", "message": f"m{number}", "fields": {"role": "user"}, "transaction": 0,
                "at": NOW, "received_at": NOW, "occurred_at": NOW,
            }
            for number in range(1, 61)
        ]  # fmt: skip
        session.execute(insert(Event), rows)
    fold(sqlite_engine)
    asked = []
    listen(sqlite_engine, "before_cursor_execute", lambda _, __, said, values, *___: asked.append((said, values)))
    with reading(sqlite_engine) as session:
        assert len(talk.read(session, project, "wide").acts) == 60
        assert names(listed(session, project, Filter(model="none"))) == []
        statements = list(asked)
        plans = [
            step.detail
            for said, values in statements
            if "FROM events" in said
            for step in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values)
        ]
    assert any("PRIMARY KEY" in each for each in plans)
    assert [each for each in plans if each.startswith("SCAN")] == []


def test_places_that_are_none_are_not_taken():
    for said in ("", "x", "~", "12", "12~", "1e3~a", "--1~a", "9" * 30 + "~a", "²~a"):
        assert place_of(said) is None, said
    assert said_place(None) is None


def test_every_kind_has_its_bit():
    from unspoken.events import KINDS

    assert set(KINDS) == set(BITS)
    assert len(set(BITS.values())) == len(BITS)


def derived(engine):
    with reading(engine) as session:
        return {
            table.__tablename__: session.scalar(select(func.count()).select_from(table))
            for table in (Conversation, Span, Participant, Tally)
        }


def test_an_erasure_leaves_nothing_derived(engine, project, say, see, tmp_path, monkeypatch):
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path))
    say("message", "hers", text="I am Ann", user="ann")
    say("vote", "hers", user="ann", minute=60 * 30)
    say("message", "both", "b1", user="ann")
    say("copy", "both", "b1", user="ann", minute=9)
    say("message", "both", "b2", user="bob", minute=5, text="I am Bob")
    assert names(see()) == ["hers", "both"]
    ann = hash_user(project.user_secret, "ann")
    with transaction(engine) as session:
        row, _ = erasing.ask(session, project.id, ann, "a test")
    counts = erasing.erase(engine, row, tmp_path)
    assert counts["conversations"] == 1
    assert derived(engine) == {"conversations": 1, "spans": 1, "participants": 1, "tallies": 1}
    [left] = see().rows
    assert (left.id, left.kinds, left.last_at) == ("both", {"message": 1}, NOW + timedelta(minutes=5))
    assert left.prompt == "I am Bob"
    assert names(see(Filter(user=ann))) == []
    assert names(see(Filter(kinds=("copy",)))) == []
    with reading(engine) as session:
        kept = session.scalars(select(Conversation)).one()
    assert (kept.kinds, kept.first_at) == (BITS["message"], NOW + timedelta(minutes=5))


def test_what_grows_old_leaves_what_is_derived_too(engine, project, say, see):
    old = NOW - timedelta(days=40)
    say("message", "gone", user="ann", received_at=old)
    say("share", "both", None, user="ann", received_at=old)
    say("message", "both", "m", minute=1, text="Hello", user="bob")
    see()
    counts = retention.expire(engine, project.id, 30, NOW)
    assert counts["conversations"] == 1
    assert derived(engine) == {"conversations": 1, "spans": 1, "participants": 1, "tallies": 1}
    [left] = see().rows
    assert (left.id, left.kinds) == ("both", {"message": 1})
    with reading(engine) as session:
        assert session.scalars(select(Conversation.kinds)).one() == BITS["message"]
