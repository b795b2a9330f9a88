"""What is derived from events is the same whatever came when, and whenever it was folded."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import delete, select

from unspoken.events import hash_user, parse
from unspoken.store import fold as folding
from unspoken.store import projects, spans
from unspoken.store.database import reading, transaction
from unspoken.store.fold import fold, untally, waiting
from unspoken.store.ingest import ingest
from unspoken.store.overview import overviews
from unspoken.store.tables import Conversation, Event, Parked, Participant, Person, Tally, Watermark

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def send(engine, project, *items):
    with transaction(engine) as session:
        return ingest(session, project, [parse(item) for item in items], sent_at=None, received_at=NOW)


@dataclass
class Derived:
    """What stands in the derived tables of one project; `placed` are the events that spans lead to."""

    conversations: dict[str, tuple[datetime, datetime, int, int]]
    placed: dict[str, list[int]]
    participants: set[tuple[str, str]]
    people: set[str]
    parked: set[str]
    tallies: Counter[tuple[int, str]]
    answers: Counter[tuple[int, str]]


def derived(engine, project):
    with reading(engine) as session:
        conversations = session.scalars(select(Conversation).where(Conversation.project == project.number)).all()
        tallies = session.scalars(select(Tally).where(Tally.project == project.number)).all()
        participants = select(Participant.user, Participant.conversation).where(Participant.project == project.number)
        placed = {
            name: sorted(seq for piece in pieces for seq in session.scalars(select(Event.seq).where(*piece)))
            for name in [each.id for each in conversations]
            if (pieces := spans.folded(session, project.number, [name]))
        }
        return Derived(
            {each.id: (each.first_at, each.last_at, each.touched, each.kinds) for each in conversations},
            placed,
            {(user, name) for user, name in session.execute(participants)},
            set(session.scalars(select(Person.user).where(Person.project == project.number))),
            set(session.scalars(select(Parked.event).where(Parked.project == project.number))),
            Counter({(each.day, each.kind): each.events for each in tallies}),
            Counter({(each.day, each.kind): each.answers for each in tallies if each.answers}),
        )


def plain(engine, project):
    """The same, from the events themselves, one after the other."""
    found = Derived({}, {}, set(), set(), set(), Counter(), Counter())
    with reading(engine) as session:
        events = session.scalars(select(Event).where(Event.project == project.number)).all()
    told = {event.message for event in events if event.kind == "message"}
    for event in events:
        at, name = event.occurred_at, event.conversation
        first, last, touched, kinds = found.conversations.get(name, (at, at, 0, 0))
        bit = folding.BITS[event.kind]
        found.conversations[name] = (min(first, at), max(last, at), max(touched, event.seq), kinds | bit)
        found.placed[name] = sorted([*found.placed.get(name, []), event.seq])
        found.people |= set() if event.user is None else {event.user}
        found.participants |= set() if event.user is None else {(event.user, name)}
        found.parked |= {event.id} if event.message is not None and event.message not in told else set()
        day = (at - datetime(1970, 1, 1, tzinfo=UTC)).days
        found.tallies[day, event.kind] += 1
        found.answers += Counter({(day, event.kind): int(event.fields.get("role") == "assistant")})
    return found


ITEMS = st.builds(
    lambda kind, conversation, message, user, minute: {
        "id": str(uuid4()),
        "kind": kind,
        "at": (NOW + timedelta(minutes=minute)).isoformat(),
        # A message id is of one conversation, else telling it again is a conflict.
        "conversation": f"c{conversation}",
        "message": f"m{conversation}{message}",
        **({"user": user} if user else {}),
        **({"role": "assistant" if message < "c" else "user", "text": message} if kind == "message" else {}),
        **({"value": 1} if kind == "vote" else {}),
    },
    st.sampled_from(["message", "vote", "copy", "share"]),
    st.integers(0, 3),
    st.sampled_from("abcd"),
    st.sampled_from([None, "ann", "bob"]),
    st.integers(-500, 500),
)
STEPS = st.lists(st.one_of(st.lists(ITEMS, max_size=8), st.just("fold")), max_size=12)


@hypothesis(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, size=st.sampled_from([1, 3, 1000]), again=st.booleans())
def test_any_order_and_split_of_arrivals_folds_to_the_same(engine, steps, size, again):
    with transaction(engine) as session:
        project = projects.create(session, str(uuid4()))
    usual = dict(folding.STEP)
    folding.STEP.update(seq=size, transaction=size)
    try:
        for step in [*steps, "fold"]:
            if step == "fold":
                fold(engine)
            else:
                send(engine, project, *step, *(step[:1] if again else []))
        assert fold(engine) == 0
    finally:
        folding.STEP.update(usual)
    assert derived(engine, project) == plain(engine, project)


def test_two_who_fold_at_once_fold_each_event_once(engine, project, make_event):
    for batch in range(10):
        send(engine, project, *(make_event("vote", message=f"m{batch}-{n}") for n in range(20)))
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: fold(engine), range(4))) == 200
    assert derived(engine, project) == plain(engine, project)


def test_a_transaction_that_commits_late_is_folded(engine, project, make_event):
    begun, go = threading.Event(), threading.Event()

    def slow():
        with transaction(engine) as session:
            ingest(session, project, [parse(make_event("vote"))], sent_at=None, received_at=NOW)
            begun.set()
            assert go.wait(120)

    late = threading.Thread(target=slow)
    late.start()
    assert begun.wait(120)
    if engine.dialect.name == "postgresql":  # SQLite lets the others wait
        send(engine, project, make_event("vote"))
        assert fold(engine) == 0
    go.set()
    late.join(120)
    send(engine, project, make_event("vote"))
    fold(engine)
    assert derived(engine, project) == plain(engine, project)


def test_who_waits_is_said_of_this_moment_folded_or_not(engine, project, make_event):
    def wait():
        with reading(engine) as session:
            return waiting(session, project.id)

    send(engine, project, make_event("vote"), make_event("copy"), make_event("view", message="m2"))
    assert wait() == 3
    fold(engine)
    assert wait() == 3
    send(engine, project, make_event("message"), make_event("vote", message="m3"))
    assert wait() == 2
    fold(engine)
    assert wait() == 2
    assert derived(engine, project) == plain(engine, project)


def test_the_overview_is_the_same_before_and_after(engine, project, make_event):
    def see():
        with reading(engine) as session:
            return overviews(session, project.id)

    assert see()[0].last_received_at is None
    send(engine, project, *(make_event("vote", user="ann", conversation=f"c{n}") for n in range(3)))
    fold(engine)
    send(engine, project, make_event("message", user="bob"), make_event("vote", user="ann", message="m9"))
    before = see()
    [only] = before
    assert (only.events, only.kinds, only.users) == (5, {"vote": 4, "message": 1}, 2)
    assert (only.conversations, only.messages, only.parked) == (3, 1, 1)
    assert only.last_received_at == NOW
    fold(engine)
    assert see() == before


def test_removed_events_leave_the_tallies(engine, project, make_event):
    first, second, third = make_event("vote"), make_event("vote"), make_event("copy")
    send(engine, project, second)
    send(engine, project, first)
    fold(engine)
    send(engine, project, third)
    for gone in (first, third):  # one that was folded, one that was not
        which = Event.id == gone["id"]
        with transaction(engine) as session:
            untally(session, which)
            session.execute(delete(Event).where(which))
    assert fold(engine) == 0
    with reading(engine) as session:
        [only] = overviews(session, project.id)
    assert (only.events, only.kinds) == (1, {"vote": 1})


@pytest.mark.parametrize("strange", [{"of another database": 3}, {"seq": 10**15, "transaction": 10**15}])
def test_a_watermark_that_says_nothing_here_means_begin_anew(engine, project, make_event, strange):
    send(engine, project, make_event("message", user="ann"), make_event("vote", message="m2"))
    fold(engine)
    unit = "transaction" if engine.dialect.name == "postgresql" else "seq"
    known = {unit: strange[unit]} if unit in strange else strange
    with transaction(engine) as session:
        session.get_one(Watermark, folding.NAME).horizon = known
        session.add(Person(project=project.number, user=hash_user(project.user_secret, "nobody")))
    fold(engine)
    assert derived(engine, project) == plain(engine, project)


def test_numbers_that_were_erased_are_passed_over(engine, project, make_event):
    send(engine, project, make_event("vote"))
    with transaction(engine) as session:
        session.execute(delete(Event))
    send(engine, project, make_event("vote"))
    assert fold(engine) == 1
    assert derived(engine, project) == plain(engine, project)
