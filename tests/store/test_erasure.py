"""What of a project is one user's, and that an erasure takes exactly that, and it alone."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import select, update

from unspoken import jobs
from unspoken.errors import NotFound, Unavailable
from unspoken.events import hash_user, parse
from unspoken.frames import LABELS, PAIRS, UNPAIRED
from unspoken.jobs import erasing
from unspoken.settings import settings
from unspoken.store import datasets, erasure, models, overview, people, portability, projects, reports, retention
from unspoken.store.database import reading, transaction
from unspoken.store.fold import fold
from unspoken.store.horizon import horizon
from unspoken.store.ingest import ingest
from unspoken.store.tables import Audit, Conversation, Erasure, EvaluationSet, Event, Job, Message, Parked, Quarantine

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder of its own."""
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UNSPOKEN_LEASE_S", "0.2")
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


@pytest.fixture
def say(engine, project, make_event):
    """Stores one event; a message by default."""

    def say(kind="message", conversation="c1", message="m1", **fields):
        event = parse(make_event(kind, conversation=conversation, message=message, **fields))
        with transaction(engine) as session:
            ingest(session, project, [event], sent_at=None, received_at=NOW)
        return event.id

    return say


@pytest.fixture
def exchange(say):
    """One user asks, a machine answers, the user votes; below a message where one is named."""

    def exchange(user, conversation, name, parent=None):
        said = say("message", conversation, f"{name}-q", user=user, parent=parent)
        answered = say("message", conversation, f"{name}-a", role="assistant", parent=f"{name}-q", text="At the park.")
        voted = say("vote", conversation, f"{name}-a", user=user)
        return said, answered, voted

    return exchange


@pytest.fixture
def hashed(project):
    """A user's hash."""
    return lambda user: hash_user(project.user_secret, user)


@pytest.fixture
def erase(engine, project, hashed, home):
    """Asks for an erasure and carries it out; what was removed."""

    def erase(user):
        with transaction(engine) as session:
            row, _ = erasing.ask(session, project.id, hashed(user), "a test")
        return erasing.erase(engine, row, home)

    return erase


@pytest.fixture
def rows(engine):
    """The values of a column."""

    def rows(column):
        with reading(engine) as session:
            return set(session.scalars(select(column)))

    return rows


def labelled(engine, project, *, label=(), pair=()):
    """A finished dataset with labels (message, user) and pairs (chosen, rejected, user)."""
    labels = [
        {"message": message, "user": user, "family": "stated", "rule": "vote/1", "p": 1.0, "evidence": []}
        for message, user in label
    ]
    pairs = [
        {
            "prompt": "q", "prompt_key": "k", "chosen": chosen, "rejected": rejected, "user": user, "people": [user],
            "family": "stated", "rule": "vote/1", "p": 1.0, "margin": 0.0, "weight": 1.0, "evidence": [],
            "split": "train",
        }
        for chosen, rejected, user in pair
    ]  # fmt: skip
    with reading(engine) as session:
        seen = horizon(session)
    frames = (pl.DataFrame(labels, schema=dict(LABELS)), pl.DataFrame(pairs, schema=dict(PAIRS)))
    digest = f"digest-{len(labels)}-{len(pairs)}"
    return datasets.save(engine, project.id, {}, seen, digest, [], *frames, pl.DataFrame(schema=dict(UNPAIRED)))


def test_a_conversation_of_theirs_alone_goes_whole_and_others_stay(engine, project, exchange, erase, rows):
    exchange("ann", "c1", "x")
    kept = exchange("bob", "c2", "y")
    fold(engine)
    counts = erase("ann")
    assert rows(Event.id) == set(kept)
    assert rows(Message.id) == {"y-q", "y-a"}
    assert rows(Conversation.id) == {"c2"}
    assert (counts["events"], counts["messages"], counts["conversations"], counts["people"]) == (3, 2, 1, 1)


def test_in_a_shared_conversation_their_messages_go_and_what_machines_wrote_below(engine, say, exchange, erase, rows):
    exchange("ann", "c1", "x")
    exchange("bob", "c1", "y", parent="x-a")  # bob writes below ann's answer, and is answered
    exchange("bob", "c1", "z")  # and elsewhere in the conversation
    say("vote", "c1", "x-a", user="bob", comment="ann is right")
    stays = say("share", "c1", None, user="bob")
    fold(engine)
    erase("ann")
    assert rows(Message.id) == {"y-q", "z-q", "z-a"}
    assert rows(Conversation.id) == {"c1"}
    assert stays in rows(Event.id)
    with reading(engine) as session:
        assert set(session.scalars(select(Event.message).where(Event.message.is_not(None)))) == {"y-q", "z-q", "z-a"}


def test_a_message_whose_writer_a_later_event_names_goes_too(engine, say, erase, rows):
    """The server reported it first and knew no user; the browser told whose it was."""
    say("message", "c1", "m1", text="I am Ann.")
    say("message", "c1", "m1", text="I am Ann.", user="ann")
    say("message", "c1", "m2", role="assistant", parent="m1", text="Hello Ann.")
    say("message", "c1", "m3", parent="m2", text="Good day.", user="bob")
    say("message", "c1", "m3", parent="m2", text="Good day.", user="ann")  # whose it is was told before
    erase("ann")
    assert rows(Message.id) == {"m3"}


def test_the_overview_counts_what_is_left(engine, project, exchange, erase):
    for user in ("ann", "bob", "eve"):
        exchange(user, f"of-{user}", user)
    fold(engine)
    exchange("ann", "later", "more")  # not folded yet
    erase("ann")
    with reading(engine) as session:
        before = overview.overviews(session, project.id)
    fold(engine)
    with reading(engine) as session:
        after = overview.overviews(session, project.id)
    assert before == after
    assert (after[0].events, after[0].users, after[0].conversations, after[0].messages) == (6, 2, 2, 4)


def test_parked_events_a_quarantine_and_evaluation_sets_are_reached(
    engine, project, say, exchange, hashed, erase, rows
):
    exchange("ann", "c1", "x")
    exchange("bob", "c2", "y")
    say("vote", "c3", "never-came", user="ann")
    fold(engine)
    with transaction(engine) as session:
        session.add(Quarantine(project_id=project.id, user=hashed("ann"), reason="ann types too fast"))
        session.add(EvaluationSet(project_id=project.id, name="first", messages=["x-a", "y-a"]))
    assert len(rows(Parked.event)) == 1
    erase("ann")
    assert rows(Parked.event) == rows(Quarantine.reason) == set()
    with reading(engine) as session:
        assert session.scalars(select(EvaluationSet.messages)).one() == ["y-a"]


def test_labels_and_pairs_of_theirs_go_and_the_dataset_is_withdrawn(engine, project, exchange, hashed, erase):
    exchange("ann", "c1", "x")
    exchange("bob", "c2", "y")
    with_ann = labelled(
        engine, project,
        label=[("x-a", hashed("ann")), ("y-a", hashed("bob")), ("x-a", None)],
        pair=[("x-a", "y-a", hashed("bob")), ("y-a", "y-b", hashed("bob"))],
    )  # fmt: skip
    with transaction(engine) as session:
        models.record(session, project.id, with_ann, "stated", settings().home, {"model_hash": "a"})
        reports.record(session, project.id, with_ann, "same", {}, settings().home / "report")
    counts = erase("ann")
    assert (counts["labels"], counts["pairs"], counts["datasets"], counts["models"], counts["reports"]) == (
        2,
        1,
        1,
        1,
        1,
    )
    with reading(engine) as session:
        with pytest.raises(NotFound, match="withdrawn"):
            datasets.get(session, with_ann)
        assert datasets.newest(session, project.id) is None
        assert models.latest(session, with_ann, "stated") is None
    with transaction(engine) as session, pytest.raises(NotFound, match="withdrawn"):
        models.record(session, project.id, with_ann, "revealed", settings().home, {"model_hash": "b"})


def test_a_model_that_was_made_before_they_came_stays(engine, project, exchange, erase, rows):
    exchange("bob", "c2", "y")
    without = labelled(engine, project)
    exchange("ann", "c1", "x")
    counts = erase("ann")
    assert "datasets" not in counts
    with reading(engine) as session:
        assert datasets.get(session, without).withdrawn_at is None
    assert rows(Job.name) == {"user.erase"}  # and nothing has to be trained again


def test_who_is_not_there_is_erased_at_once_and_nothing_is_touched(engine, project, exchange, erase, rows):
    exchange("ann", "c1", "x")
    labelled(engine, project)
    with transaction(engine) as session:
        jobs.enqueue(session, "project.refresh", project_id=project.id, dedupe="refresh")
    assert erase("bob") == {}
    with reading(engine) as session:
        assert session.scalars(select(Job.state).where(Job.name == "project.refresh")).one() == "queued"
    assert len(rows(Event.id)) == 3
    with reading(engine) as session:
        assert datasets.newest(session, project.id) is not None


def test_another_project_is_not_touched(engine, project, exchange, erase, make_event):
    exchange("ann", "c1", "x")
    with transaction(engine) as session:
        other = projects.ensure(session, "other", user_secret=project.user_secret)
        event = parse(make_event("message", conversation="c1", message="x-q", user="ann"))
        ingest(session, other, [event], sent_at=None, received_at=NOW)
    erase("ann")
    with reading(engine) as session:
        assert session.scalars(select(Event.id).where(Event.project_id == other.id)).one() == event.id
        assert session.scalars(select(Message.id).where(Message.project_id == other.id)).one() == "x-q"


def test_events_from_before_do_not_come_back_and_new_ones_are_taken(engine, project, erase, make_event, rows):
    told = parse(make_event("message", user="ann", at="2026-10-01T12:00:00Z"))
    with transaction(engine) as session:
        ingest(session, project, [told], sent_at=None, received_at=NOW)
    erase("ann")
    later = datetime.now(UTC) + timedelta(minutes=1)
    new = parse(make_event("message", message="m9", user="ann", at=later.isoformat()))
    late = parse(make_event("vote", user="ann", at="2026-10-01T12:00:05Z"))
    with transaction(engine) as session:
        ingest(session, project, [told, new, late], sent_at=None, received_at=later)
    assert rows(Event.id) == {new.id}


def test_an_event_from_before_whose_clock_was_ahead_does_not_come_back(engine, project, erase, make_event, rows):
    ahead = datetime.now(UTC) + timedelta(hours=2)
    told = parse(make_event("message", user="ann", at=ahead.isoformat()))
    for _ in range(2):
        with transaction(engine) as session:
            ingest(session, project, [told], sent_at=None, received_at=NOW)
        erase("ann")
        assert rows(Event.id) == set()


def test_what_was_made_before_a_removal_by_age_is_withdrawn_too(engine, project, say, erase, home):
    said = say(user="ann")
    dataset = labelled(engine, project)
    page = home / "reports" / "r" / "index.html"
    page.parent.mkdir(parents=True)
    (page.parent / "report.json").write_text("{}")
    page.write_text("what ann said")
    with transaction(engine) as session:
        reports.record(session, project.id, dataset, "same", {}, page.parent)
    assert retention.expire(engine, project.id, 1, NOW + timedelta(days=3))["events"] == 1
    assert erase("ann")["reports"] == 1
    assert not page.exists(), said


def test_asking_twice_is_one_erasure_and_one_job(engine, project, exchange, hashed, home, rows):
    exchange("ann", "c1", "x")
    with transaction(engine) as session:
        one = erasing.ask(session, project.id, hashed("ann"), "a test")
        same = erasing.ask(session, project.id, hashed("ann"), "a test")
    assert (one[0].seq, one[1]) == (same[0].seq, same[1])
    first = erasing.erase(engine, one[0], home)
    with reading(engine) as session:
        assert erasing.erase(engine, session.get_one(Erasure, one[0].seq), home) == first  # it is over: nothing is done
    with reading(engine) as session:
        said = session.execute(select(Audit.action, Audit.subject, Audit.details).order_by(Audit.seq)).all()
    assert [action for action, *_ in said] == ["user.erase", "user.erased"]
    assert "ann" not in str(said)


def test_an_erasure_whose_job_is_over_is_queued_again(engine, project, hashed):
    with transaction(engine) as session:
        erasing.ask(session, project.id, hashed("ann"), "a test")
    with transaction(engine) as session:
        assert erasing.enqueue_forgotten(session) == 0
        session.execute(update(Job).values(state="failed", dedupe=None))
    with transaction(engine) as session:
        assert erasing.enqueue_forgotten(session) == 1
        assert erasing.enqueue_forgotten(session) == 0


def test_no_dataset_is_begun_or_finished_while_somebody_is_erased(engine, project, exchange, hashed, home):
    exchange("ann", "c1", "x")
    with reading(engine) as session:
        marked = erasure.mark(session, project.id)
    with transaction(engine) as session:
        row, _ = erasing.ask(session, project.id, hashed("ann"), "a test")
    with reading(engine) as session, pytest.raises(Unavailable, match="being erased"):
        erasure.mark(session, project.id)
    erasing.erase(engine, row, home)
    with reading(engine) as session, pytest.raises(Unavailable, match="made again"):
        erasure.unchanged(session, project.id, marked)


def test_jobs_under_way_are_ended(engine, project, exchange, erase):
    exchange("ann", "c1", "x")
    with transaction(engine) as session:
        jobs.enqueue(session, "project.refresh", project_id=project.id, dedupe="refresh")
    erase("ann")
    with reading(engine) as session:
        ended = session.scalars(select(Job).where(Job.name == "project.refresh", Job.state == "failed")).one()
        again = session.scalars(select(Job).where(Job.name == "project.refresh", Job.state == "queued")).one()
    assert (ended.state, ended.dedupe) == ("failed", None)
    assert again.dedupe == f"project.refresh:{project.id}"
    assert "erased" in (ended.error or "")


def test_what_a_user_is_given_is_what_an_erasure_removes(engine, project, say, exchange, hashed, erase):
    exchange("ann", "c1", "x")
    exchange("bob", "c1", "y", parent="x-a")
    exchange("ann", "c2", "z")
    made = labelled(engine, project, label=[("z-a", hashed("ann"))], pair=[("z-a", "z-b", hashed("ann"))])
    with transaction(engine) as session:
        models.record(session, project.id, made, "stated", settings().home, {"model_hash": "a"})
    with reading(engine) as session:
        given = list(portability.lines(session, project.id, hashed("ann")))
    *lines, end = given
    texts = {line["id"]: line["text"] for line in lines if line["type"] == "message"}
    assert set(texts) == {"x-q", "x-a", "y-a", "z-q", "z-a"}
    assert sum(end["counts"].values()) == len(lines)
    assert end["counts"] == {"user": 1, "message": 5, "event": 8, "label": 1, "pair": 1, "model": 1}
    assert hashed("bob") not in str(given)
    counts = erase("ann")
    assert {name: counts[f"{name}s"] for name in ("message", "event", "label", "pair", "model")} == {
        name: end["counts"][name] for name in ("message", "event", "label", "pair", "model")
    }


def test_what_others_said_of_their_messages_is_not_given_to_them(engine, project, say, exchange, hashed):
    exchange("ann", "c1", "x")
    say("vote", "c1", "x-a", user="bob", comment="bobs words", session="bobs visit", page="bobs tab")
    with reading(engine) as session:
        given = list(portability.lines(session, project.id, hashed("ann")))
    [vote] = [line for line in given if line["type"] == "event" and not line["yours"] and line["kind"] == "vote"]
    assert vote["fields"] == {"value": 1}
    assert "bobs" not in str(given)


def test_who_is_in_many_conversations_is_found_in_all(engine, project, make_event, hashed):
    events = [
        parse(make_event("message", conversation=f"c{number}", message=f"m{number}", user="ann"))
        for number in range(people.AT_ONCE + 7)
    ]
    with transaction(engine) as session:
        ingest(session, project, events, sent_at=None, received_at=NOW)
    with reading(engine) as session:
        found = people.find(session, project.id, hashed("ann"))
        parts = list(people.parts(session, project.id, hashed("ann"), found.conversations if found else ()))
    assert [part.conversation for part in parts] == sorted(event.conversation for event in events)
    assert all(part.whole and len(part.events) == len(part.messages) == 1 for part in parts)
