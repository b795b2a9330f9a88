"""The writer on both databases: one transaction for many, each told its own, and nothing said before the commit."""

import asyncio
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select, text

from unspoken.errors import NotSignedIn, Unavailable
from unspoken.events import hash_user, parse
from unspoken.settings import settings
from unspoken.store import ingest, keys
from unspoken.store.bare import of_driver
from unspoken.store.database import connect, reading, transaction
from unspoken.store.ingest import exclude
from unspoken.store.tables import Erasure, Event, Key, Message
from unspoken.store.writer import Arrival, Receipt, Writer

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def writer(engine):
    writer = Writer(engine)
    writer.start()
    yield writer
    writer.close()


@pytest.fixture
def arrival(project, make_event):
    def arrival(*items, principal=None, received_at=NOW, size=100):
        return Arrival(project, principal, [parse(item) for item in items], None, received_at, size)

    return arrival


@pytest.fixture
def principal(engine, project):
    with transaction(engine) as session:
        _, plaintext = keys.create(session, project.id, "secret")
        return keys.authenticate(session, plaintext)


def ids(engine):
    with reading(engine) as session:
        return set(session.scalars(select(Event.id)))


@pytest.fixture
def held(engine):
    """Keeps every writer waiting until the block ends, so that what is handed in meanwhile makes one group."""

    class Held:
        def __enter__(self):
            self.transaction = transaction(engine)
            session = self.transaction.__enter__()
            exclude(session)

        def __exit__(self, *error):
            self.transaction.__exit__(None, None, None)

    return Held()


def test_each_arrival_of_a_group_is_told_its_own(engine, writer, held, arrival, make_event):
    first, second, third = make_event("message"), make_event("vote"), make_event("message", text="another")
    with held:
        futures = [
            writer.put(arrival(*items)) for items in ((first,), (first, second), (second, second), (third,), (third,))
        ]
    receipts = [future.result(120) for future in futures]
    assert receipts[:3] == [Receipt(1, 0), Receipt(1, 1), Receipt(0, 2)]
    assert receipts[3:] == [Receipt(0, 0, (third["id"],))] * 2
    assert ids(engine) == {first["id"], second["id"]}
    assert writer.put(arrival(first, make_event("copy"))).result(120) == Receipt(1, 1)


def test_an_arrival_that_cannot_be_written_fails_alone(engine, writer, held, arrival, make_event):
    good = [make_event("vote") for _ in range(3)]
    naive = datetime(2026, 10, 1, 12)
    with held:
        first = writer.put(arrival(good[0]))
        broken = writer.put(arrival(make_event("vote"), received_at=naive))
        rest = [writer.put(arrival(item)) for item in good[1:]]
    assert [future.result(120) for future in (first, *rest)] == [Receipt(1, 0)] * 3
    with pytest.raises(TypeError):
        broken.result(120)
    assert ids(engine) == {item["id"] for item in good}


@pytest.mark.parametrize("change", [{"revoked_at": NOW}, {"expires_at": NOW}])
def test_a_key_that_ended_stores_nothing_from_that_moment(engine, writer, held, arrival, make_event, principal, change):
    before, after, ours = make_event("vote"), make_event("vote"), make_event("vote")
    assert writer.put(arrival(before, principal=principal)).result(120) == Receipt(1, 0)
    with transaction(engine) as session:
        for name, value in change.items():
            setattr(session.get(Key, principal.key_id), name, value)
    with held:
        refused = writer.put(arrival(after, principal=principal))
        stored = writer.put(arrival(ours))
    with pytest.raises(NotSignedIn):
        refused.result(120)
    assert stored.result(120) == Receipt(1, 0)
    assert ids(engine) == {before["id"], ours["id"]}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_key_that_ends_while_its_group_is_written_costs_nobody_an_event(engine, arrival, make_event, principal):
    """Each statement sees what was committed before itself: the look at the keys and the rows must be one of them."""
    theirs, ours = make_event("vote"), make_event("vote")
    connection = engine.raw_connection()
    driver = connection.driver_connection

    def write():
        group = [arrival(theirs, principal=principal), arrival(ours)]
        answers = ingest.write(of_driver("postgresql", driver), group, ingest.Erasures(), driver.rollback)
        connection.commit()
        return answers

    with ThreadPoolExecutor(1) as pool, engine.connect() as other:
        other.execute(text("LOCK TABLE events IN SHARE MODE"))  # as whoever makes an index does
        answered = pool.submit(write)
        while not other.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            threading.Event().wait(0.01)
        with transaction(engine) as session:
            session.get_one(Key, principal.key_id).revoked_at = NOW
        other.rollback()
        answers = dict(zip((theirs["id"], ours["id"]), answered.result(120), strict=True))
    connection.close()
    assert {event for event, answer in answers.items() if answer == Receipt(1, 0)} == ids(engine)
    assert answers[ours["id"]] == Receipt(1, 0)


def test_the_use_of_a_key_is_noted_once_a_minute(engine, writer, arrival, make_event, principal):
    def last_used():
        with reading(engine) as session:
            return session.get_one(Key, principal.key_id).last_used_at

    assert last_used() is None
    writer.put(arrival(make_event("vote"), principal=principal)).result(120)
    noted = last_used()
    assert abs(noted - datetime.now(UTC)) < timedelta(minutes=1)
    writer.put(arrival(make_event("vote"), principal=principal)).result(120)
    assert last_used() == noted


def test_what_an_erased_user_did_before_is_not_stored_again(engine, project, writer, arrival, make_event):
    def at(moment, who="ann"):
        return make_event("vote", user=who, at=moment.isoformat())

    early = at(NOW - timedelta(hours=1))
    assert writer.put(arrival(early)).result(120) == Receipt(1, 0)
    with transaction(engine) as session:
        exclude(session)
        session.add(
            Erasure(project_id=project.id, user=hash_user(project.user_secret, "ann"), asked_by="a test", before=NOW)
        )
        session.execute(text("DELETE FROM events"))
    late, other = at(NOW + timedelta(hours=1)), at(NOW - timedelta(hours=1), "bob")
    assert writer.put(arrival(early, early, late, other)).result(120) == Receipt(2, 0, erased=2)
    assert writer.put(arrival(early, late)).result(120) == Receipt(0, 1, erased=1)
    assert ids(engine) == {late["id"], other["id"]}


def test_texts_and_comments_are_redacted_before_they_are_stored(engine, project, writer, arrival, make_event):
    project.settings = {"redact": ["email"]}
    told = make_event("message", text="write to ann@example.org")
    writer.put(arrival(told, make_event("vote", comment="mail bob@example.org"))).result(120)
    with reading(engine) as session:
        assert session.scalars(select(Message.text)).one() == "write to [email]"
        [comment] = [row["comment"] for row in session.scalars(select(Event.fields)) if "comment" in row]
    assert comment == "mail [email]"
    assert writer.put(arrival(told | {"id": str(uuid4())})).result(120) == Receipt(1, 0)


def test_more_than_the_bounds_is_refused_and_what_was_taken_is_stored(engine, held, arrival, make_event, monkeypatch):
    monkeypatch.setenv("UNSPOKEN_QUEUE_EVENTS", "5")
    monkeypatch.setenv("UNSPOKEN_QUEUE_BYTES", "1000")
    settings.cache_clear()
    try:
        writer = Writer(engine)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    writer.start()
    with held:
        taken = [writer.put(arrival(make_event(), make_event())) for _ in range(2)]
        assert writer.depth == (4, 200)
        with pytest.raises(Unavailable) as refusal:
            writer.put(arrival(make_event(), make_event()))
        assert refusal.value.retry_after_s > 0
        with pytest.raises(Unavailable):
            writer.put(arrival(make_event(), size=900))
    assert [future.result(120).stored for future in taken] == [2, 2]
    # What alone is larger than the bounds is taken when nothing waits.
    assert writer.put(arrival(*(make_event() for _ in range(9)))).result(120).stored == 9
    writer.close()
    assert writer.depth == (0, 0)


def test_closing_writes_what_was_taken(engine, held, arrival, make_event):
    writer = Writer(engine)
    writer.start()
    with held:
        taken = [writer.put(arrival(make_event())) for _ in range(50)]
        closing = threading.Thread(target=writer.close)
        closing.start()
    closing.join(120)
    assert all(future.done() and future.result() == Receipt(1, 0) for future in taken)
    assert len(ids(engine)) == 50
    with pytest.raises(Unavailable):
        writer.put(arrival(make_event()))
    Writer(engine).close()  # one that never began


def test_many_wait_in_one_event_loop(engine, writer, arrival, make_event):
    async def all_at_once():
        arrivals = [arrival(make_event(), make_event()) for _ in range(200)]
        return await asyncio.gather(*(writer.append(each) for each in arrivals))

    assert asyncio.run(all_at_once()) == [Receipt(2, 0)] * 200
    assert len(ids(engine)) == 400


def test_an_asker_who_went_away_hurts_nobody(engine, writer, held, arrival, make_event):
    async def leave():
        gone = asyncio.ensure_future(writer.append(arrival(make_event())))
        stays = asyncio.ensure_future(writer.append(arrival(make_event())))
        with held:
            await asyncio.sleep(0)
            gone.cancel()
        return await stays

    assert asyncio.run(leave()) == Receipt(1, 0)
    assert writer.put(arrival(make_event())).result(120) == Receipt(1, 0)
    assert len(ids(engine)) == 3


def test_a_full_disk_is_said_and_works_again_when_there_is_room(sqlite_engine, make_event):
    from unspoken.store import projects

    with transaction(sqlite_engine) as session:
        project = projects.create(session, "chat")
        pages = session.scalar(text("PRAGMA page_count"))
    sqlite_engine.dispose()
    most = [pages + 20]
    event.listen(
        sqlite_engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count={most[0]}").close()
    )
    writer = Writer(sqlite_engine)
    writer.start()

    def put(number):
        items = [parse(make_event("message", message=f"{uuid4()}", text="x" * 1000)) for _ in range(number)]
        return writer.put(Arrival(project, None, items, None, NOW)).result(120)

    assert put(3).stored == 3
    with pytest.raises(Unavailable, match="full"):
        put(500)
    assert len(ids(sqlite_engine)) == 3
    most[0] = 1_000_000
    sqlite_engine.dispose()  # connections in the pool were made with the old bound
    assert put(500).stored == 500
    writer.close()
    assert len(ids(sqlite_engine)) == 503


def test_a_lost_connection_is_said_and_made_anew(engine, writer, held, arrival, make_event):
    if engine.dialect.name == "sqlite":
        with transaction(engine) as session:
            session.execute(text("ALTER TABLE events RENAME TO hidden"))
        undo = "ALTER TABLE hidden RENAME TO events"
    else:
        with held:
            lost = writer.put(arrival(make_event()))
            with reading(engine) as session:
                waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                while not session.scalar(text(waits)):
                    pass
            with engine.connect() as connection:
                connection.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                )
        with pytest.raises(Unavailable, match="cannot be reached"):
            lost.result(120)
        undo = "SELECT 1"
    again = make_event()
    if engine.dialect.name == "sqlite":
        with pytest.raises(Unavailable):
            writer.put(arrival(again)).result(120)
    with transaction(engine) as session:
        session.execute(text(undo))
    assert writer.put(arrival(again)).result(120) == Receipt(1, 0)
    assert ids(engine) == {again["id"]}


def test_writers_of_several_processes_store_the_same_batches_once(database_url, engine, arrival, make_event):
    batches = [arrival(*(make_event("message", message=f"m{n}-{k}") for n in range(10))) for k in range(20)]

    def send(turn):
        own = connect(database_url)
        writer = Writer(own)
        writer.start()
        order = batches[turn * 5 :] + batches[: turn * 5]
        receipts = [future.result(120) for future in [writer.put(each) for each in order]]
        writer.close()
        own.dispose()
        return sum(receipt.stored for receipt in receipts), sum(receipt.repeated for receipt in receipts)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(send, range(4)))
    assert sum(stored for stored, _ in told) == 200
    assert sum(repeated for _, repeated in told) == 3 * 200
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 200


LOAD = """
import sys, uuid
from datetime import UTC, datetime
from unspoken.events import parse
from unspoken.store import projects
from unspoken.store.database import connect, transaction
from unspoken.store.writer import Arrival, Writer

engine = connect(sys.argv[1])
with transaction(engine) as session:
    project = projects.get(session, "chat")
writer = Writer(engine)
writer.start()
out = sys.stdout

def acknowledge(ids):
    return lambda future: (future.result(), out.write(" ".join(ids) + "\\n"), out.flush())

while True:
    events = [
        parse({"id": str(uuid.uuid4()), "kind": "vote", "at": 10**12, "conversation": "c", "message": "m", "value": 1})
        for _ in range(10)
    ]
    if writer.depth[0] < 2000:
        writer.put(Arrival(project, None, events, None, datetime.now(UTC))).add_done_callback(
            acknowledge([event.id for event in events])
        )
"""


def test_a_killed_process_loses_nothing_that_it_acknowledged(database_url, engine, project):
    command = [sys.executable, "-c", LOAD, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(200)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    acknowledged = [each for line in lines if line.endswith("\n") for each in line.split()]
    assert len(acknowledged) >= 2000
    with reading(engine) as session:
        stored = list(session.scalars(select(Event.id)))
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    assert len(stored) % 10 == 0
