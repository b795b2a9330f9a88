"""Events into the tables on both databases: once for ever, in any order, users never in clear."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from unspoken.events import hash_user, parse
from unspoken.store import projects
from unspoken.store.arrivals import Arrival, Receipt
from unspoken.store.bare import bare
from unspoken.store.database import connect, reading, transaction
from unspoken.store.fold import fold, waiting
from unspoken.store.ingest import Erasures, ingest, write
from unspoken.store.tables import Conversation, Event, Message, Parked

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def send(engine, project):
    def send(*items, sent_at=None):
        with transaction(engine) as session:
            return ingest(session, project, [parse(item) for item in items], sent_at=sent_at, received_at=NOW)

    return send


def count(engine, table):
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_repeated_event_is_stored_once(engine, send, make_event):
    event = make_event("message")
    assert send(event) == Receipt(stored=1, repeated=0)
    assert send(event) == Receipt(stored=0, repeated=1)
    assert send(event | {"text": "something else"}) == Receipt(stored=0, repeated=1)
    assert count(engine, Event) == count(engine, Message) == 1


def test_an_event_that_stands_twice_in_a_batch_is_stored_once(engine, send, make_event):
    event = make_event("vote")
    assert send(event, event, make_event("vote")) == Receipt(stored=2, repeated=1)
    assert count(engine, Event) == 2


def test_nothing_is_an_empty_receipt(send):
    assert send() == Receipt(stored=0, repeated=0)


def test_the_same_id_in_two_projects_is_two_events(engine, send, make_event):
    event = make_event("message")
    send(event)
    with transaction(engine) as session:
        other = projects.create(session, "other")
        assert ingest(session, other, [parse(event)], sent_at=None, received_at=NOW) == Receipt(stored=1, repeated=0)


def test_the_text_stands_in_messages_alone(engine, send, make_event):
    send(make_event("message", role="assistant", parent="m0", model="tiny", finish="complete", meta={"a": [1]}))
    with reading(engine) as session:
        message, event = session.scalars(select(Message)).one(), session.scalars(select(Event)).one()
    assert (message.text, message.parent, message.model) == ("Where is the station?", "m0", "tiny")
    assert event.fields == {
        "role": "assistant",
        "parent": "m0",
        "model": "tiny",
        "finish": "complete",
        "meta": {"a": [1]},
    }


def test_a_message_told_twice_keeps_its_first_text(engine, send, make_event):
    told = make_event("message")
    again = make_event("message")
    changed = make_event("message", text="Where is the airport?")
    assert send(told) == Receipt(stored=1, repeated=0)
    assert send(again) == Receipt(stored=1, repeated=0)
    assert send(changed) == Receipt(stored=0, repeated=0, conflicts=(changed["id"],))
    assert send(changed) == Receipt(stored=0, repeated=0, conflicts=(changed["id"],))
    assert count(engine, Event) == 2
    with reading(engine) as session:
        assert session.scalars(select(Message.text)).one() == "Where is the station?"


def test_of_two_texts_in_one_batch_the_first_sent_stays(engine, send, make_event):
    first, second = make_event("message", text="one"), make_event("message", text="two")
    assert send(first, second) == Receipt(stored=1, repeated=0, conflicts=(second["id"],))
    with reading(engine) as session:
        assert session.scalars(select(Message.text)).one() == "one"


def test_another_parent_is_a_conflict_and_an_unnamed_one_is_not(send, make_event):
    send(make_event("message", parent="m0"))
    assert send(make_event("message")).conflicts == ()
    assert len(send(make_event("message", parent="m9")).conflicts) == 1


def test_events_join_their_message_whatever_came_first(engine, project, send, make_event):
    for order in permutations(("message", "vote", "copy")):
        for kind in order:
            assert send(make_event(kind, message="-".join(order))) == Receipt(stored=1, repeated=0)
    assert count(engine, Parked) == 0
    with reading(engine) as session:
        assert waiting(session, project.id) == 0


def test_an_event_without_its_message_is_parked_not_refused(engine, project, send, make_event):
    assert send(make_event("vote"), make_event("view", message="m2"), make_event("share", message=None)).stored == 3
    with reading(engine) as session:
        assert waiting(session, project.id) == 2
    send(make_event("message"))
    with reading(engine) as session:
        assert waiting(session, project.id) == 1


def test_a_conversation_spans_its_events(engine, send, make_event):
    send(make_event("vote", at="2026-10-01T12:00:00Z"), make_event("vote", at="2026-10-01T11:00:00Z"))
    send(make_event("vote", at="2026-10-01T13:00:00Z"))
    assert fold(engine) == 3
    with reading(engine) as session:
        conversation = session.scalars(select(Conversation)).one()
        last = session.scalar(select(func.max(Event.seq)))
    assert (conversation.first_at, conversation.last_at) == (NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert conversation.touched == last


def test_a_clock_that_is_a_day_off_is_corrected_and_kept(engine, send, make_event):
    send(make_event("vote", at="2026-10-02T11:59:57Z"), sent_at=NOW + timedelta(days=1))
    with reading(engine) as session:
        event = session.scalars(select(Event)).one()
    assert event.occurred_at == NOW - timedelta(seconds=3)
    assert (event.at, event.sent_at, event.received_at) == (
        NOW + timedelta(days=1, seconds=-3),
        NOW + timedelta(days=1),
        NOW,
    )


def test_users_are_stored_as_hashes(engine, project, send, make_event):
    send(make_event("message", user="ann@example.org"), make_event("vote", user="ann@example.org"))
    with reading(engine) as session:
        [user] = session.scalars(select(Event.user).distinct())
        assert session.scalars(select(Message.user)).one() == user
    assert user == hash_user(project.user_secret, "ann@example.org")


def test_a_user_stands_nowhere_in_the_file(sqlite_engine, make_event):
    with transaction(sqlite_engine) as session:
        project = projects.create(session, "chat")
        ingest(session, project, [parse(make_event("message", user="ann@example.org"))], sent_at=None, received_at=NOW)
    sqlite_engine.dispose()  # writes the log into the file
    content = Path(sqlite_engine.url.database).read_bytes()
    assert b"Where is the station?" in content
    assert b"ann@example" not in content


def test_a_batch_of_many_thousands_is_stored(send, make_event):
    items = [make_event("vote", message=f"m{number}") for number in range(3000)]
    assert send(*items) == Receipt(stored=3000, repeated=0)
    assert send(*reversed(items), make_event("vote")) == Receipt(stored=1, repeated=3000)


def test_a_transaction_that_fails_leaves_nothing(engine, project, make_event):
    with pytest.raises(RuntimeError), transaction(engine) as session:
        ingest(session, project, [parse(make_event("message"))], sent_at=None, received_at=NOW)
        raise RuntimeError("the process breaks here")
    assert count(engine, Event) == count(engine, Message) == count(engine, Conversation) == 0


def test_the_same_batch_from_eight_at_once_is_stored_once(database_url, engine, project, make_event):
    items = [make_event("message", message=f"m{n}") for n in range(40)] + [make_event("vote") for _ in range(40)]
    events = [parse(item) for item in items]

    def send(turn):
        own = connect(database_url)
        with transaction(own) as session:
            mixed = events[turn * 7 :] + events[: turn * 7]
            receipt = ingest(session, project, mixed, sent_at=None, received_at=NOW)
        own.dispose()
        return receipt

    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(send, range(8)))
    assert sum(receipt.stored for receipt in receipts) == 80
    assert sum(receipt.repeated for receipt in receipts) == 7 * 80
    assert (count(engine, Event), count(engine, Message), count(engine, Parked)) == (80, 40, 0)


# What a text array of PostgreSQL, JSON or SQLite's values would each mistake for something else.
NASTY = st.text(
    st.one_of(
        st.sampled_from("\\\"',{}[]%?:;\n\t\r NULL\1\2\x7f\u2028é𝄞"),
        st.characters(exclude_characters="\0", codec="utf-8"),
    ),
    min_size=1,
    max_size=40,
)
EVERY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EVERY
@given(texts=st.lists(NASTY, min_size=1, max_size=40), alone=st.booleans())
def test_every_character_is_stored_as_it_came(engine, texts, alone):
    with transaction(engine) as session:
        project = projects.create(session, str(uuid4()))
        events = [
            parse(
                {
                    "id": str(uuid4()),
                    "kind": "message",
                    "at": 10**12,
                    "conversation": text,
                    "message": f"{number}{text}",
                }
                | {"role": "user", "text": text, "meta": {text: [text, None, 1.5]}, "arm": {text: text}}
                | ({} if alone else {"page": text, "session": text, "device": "phone", "consent": text, "n": number})
            )
            for number, text in enumerate(texts)
        ]
        assert ingest(session, project, events, sent_at=None, received_at=NOW) == Receipt(len(texts), 0)
    with reading(engine) as session:
        stored = session.scalars(select(Event).where(Event.project_id == project.id).order_by(Event.message)).all()
        told = session.scalars(select(Message).where(Message.project_id == project.id).order_by(Message.id)).all()
    assert sorted((each.id, each.text) for each in told) == sorted((f"{n}{text}", text) for n, text in enumerate(texts))
    by_id = {event.id: event for event in stored}
    for number, (text, event) in enumerate(zip(texts, events, strict=True)):
        row = by_id[event.id]
        assert (row.conversation, row.message, row.arm) == (text, f"{number}{text}", {text: text})
        assert row.fields == {"role": "user", "meta": {text: [text, None, 1.5]}}
        assert (row.page, row.session, row.consent, row.n) == ((None,) * 4 if alone else (text, text, text, number))


ARRIVALS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.sampled_from(["vote", "one", "two"])), max_size=6),
    max_size=8,
)


def begin_anew(session):
    driver = session.connection().connection.driver_connection
    driver.rollback()
    if session.get_bind().dialect.name == "sqlite":
        driver.execute("BEGIN IMMEDIATE")


@EVERY
@given(groups=st.lists(ARRIVALS, max_size=4), hasty=st.booleans())
def test_however_arrivals_are_grouped_each_event_is_stored_once_and_told_once(engine, groups, hasty):
    """Ids, messages and texts from so few that they meet: against a plain account of what should happen."""
    with transaction(engine) as session:
        project = projects.create(session, str(uuid4()))
    ids = [str(UUID(int=project.number << 32 | number)) for number in range(10)]

    def event(number, message, what):
        fields = {"kind": "vote", "value": 1} if what == "vote" else {"kind": "message", "role": "user", "text": what}
        return parse({"id": ids[number], "at": 10**12, "conversation": "c", "message": f"m{message}"} | fields)

    stored: set[int] = set()
    texts: dict[int, str] = {}
    for group in groups:
        arrivals = [Arrival(project, None, [event(*each) for each in sent], None, NOW) for sent in group]
        with transaction(engine) as session:
            start_over = (lambda: begin_anew(session)) if hasty else None
            answers = write(bare(session.connection()), arrivals, Erasures(), start_over)
        # The first that brings an id in a group stands for it; it conflicts when its message has another text.
        first: dict[int, tuple[int, str]] = {}
        for sent in group:
            for number, message, what in sent:
                first.setdefault(number, (message, what))
        conflicts, new = set(), set()
        for number, (message, what) in first.items():
            if number in stored:
                continue
            if what != "vote" and texts.setdefault(message, what) != what:
                conflicts.add(number)
            else:
                new.add(number)
        stored |= new
        for sent, answer in zip(group, answers, strict=True):
            assert isinstance(answer, Receipt)
            mine = {number for number, *_ in sent}
            assert answer.stored == len(mine & new)
            assert answer.conflicts == tuple(sorted(ids[number] for number in mine & conflicts))
            assert answer.stored + answer.repeated + len(answer.conflicts) == len(sent)
            new -= mine
    with reading(engine) as session:
        rows = Counter(session.scalars(select(Event.id).where(Event.project_id == project.id)))
        told = dict(session.execute(select(Message.id, Message.text).where(Message.project_id == project.id)).all())
    assert rows == Counter(ids[number] for number in stored)
    assert told == {f"m{message}": text for message, text in texts.items()}
