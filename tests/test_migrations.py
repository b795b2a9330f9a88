"""The migrations on both databases: up, down, up, and no drift from the tables as declared."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import delete, inspect, select, text

from unspoken import migrate
from unspoken.errors import BadInput, Unavailable
from unspoken.events import parse
from unspoken.store import projects
from unspoken.store.database import connect, reading, transaction
from unspoken.store.fold import fold, waiting
from unspoken.store.ingest import ingest
from unspoken.store.reading import read_events, read_messages, read_texts
from unspoken.store.tables import Base, Event


@pytest.fixture
def empty(empty_url: str):
    engine = connect(empty_url)
    yield engine
    engine.dispose()


def test_from_empty_up_down_and_up_again(empty):
    assert migrate.current(empty) is None
    migrate.upgrade(empty)
    assert migrate.current(empty) == migrate.head()
    assert set(inspect(empty).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    migrate.downgrade(empty, "base")
    assert inspect(empty).get_table_names() == ["alembic_version"]
    migrate.upgrade(empty)
    assert migrate.current(empty) == migrate.head()


def test_the_migrated_tables_are_those_declared(empty):
    migrate.upgrade(empty)
    assert migrate.check(empty) == []


def test_a_table_that_differs_is_found(empty):
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("ALTER TABLE models ADD COLUMN surplus INTEGER"))
    assert any("surplus" in difference for difference in migrate.check(empty))


def test_two_that_migrate_at_once_take_turns(empty, empty_url):
    others = [connect(empty_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate.upgrade, others))
    for other in others:
        other.dispose()
    assert migrate.check(empty) == []


def test_migrating_again_keeps_what_is_there(engine):
    with transaction(engine) as session:
        projects.create(session, "chat")
    migrate.upgrade(engine)
    with transaction(engine) as session:
        assert projects.get(session, "chat").name == "chat"


def test_a_database_of_a_newer_version_is_refused_with_a_sentence(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadInput, match="newer version"):
        migrate.upgrade(engine)


def test_a_database_without_tables_says_what_to_run(empty):
    with pytest.raises(Unavailable, match="unspoken migrate"), transaction(empty) as session:
        projects.get(session, "chat")


OLD_ROWS = (
    "INSERT INTO projects (id, name, user_secret, recipe, simulated, settings, created_at) "
    "VALUES (:project, :name, '00', 'chat', false, '{}', :at)",
    'INSERT INTO messages (project_id, id, conversation, parent, role, "user", text, digest, occurred_at) '
    "VALUES (:project, 'm1', 'c1', NULL, 'user', 'hash', 'Where is the station?', 'd', :at)",
    'INSERT INTO events (project_id, id, kind, at, sent_at, received_at, occurred_at, conversation, "user", message, '
    "page, n, session, device, arm, consent, fields, \"transaction\") VALUES (:project, :first, 'message', :at, NULL, "
    ":later, :at, 'c1', 'hash', 'm1', 'p', 1, 's', 'phone', '{\"policy\": \"b\"}', 'all', '{\"role\": \"user\"}', 0)",
    "INSERT INTO events (project_id, id, kind, at, sent_at, received_at, occurred_at, conversation, message, "
    "fields, \"transaction\") VALUES (:project, :second, 'vote', :early, :later, :later, :early, 'c2', 'm2', "
    "'{\"value\": 1}', 0)",
    "INSERT INTO conversations (project_id, id, first_at, last_at, touched) VALUES (:project, 'c1', :at, :at, 1)",
    "INSERT INTO parked (project_id, event, message, since) VALUES (:project, :second, 'm2', :later)",
)
OLD_TABLES = ("projects", "messages", "events", "conversations", "parked")


def _old_rows(engine):
    """Everything of the tables at 0002, with the numbers of events left to say what stands where."""
    with engine.connect() as connection:
        found = {}
        for table in OLD_TABLES:
            rows = connection.execute(text(f"SELECT * FROM {table}")).mappings().all()
            found[table] = sorted((sorted((key, str(value)) for key, value in row.items()) for row in rows), key=str)
        return found


def test_rows_of_the_version_before_are_carried_over_and_back(empty):
    times = {
        "at": datetime(2026, 10, 1, 12, 0, 0, 123456, tzinfo=UTC),
        "later": datetime(2026, 10, 1, 12, 0, 3, tzinfo=UTC),
        "early": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),  # a clock that was corrected to before 1970
    }
    sqlite = empty.dialect.name == "sqlite"
    given = {name: f"{at:%Y-%m-%d %H:%M:%S.%f}" if sqlite else at for name, at in times.items()}
    ids = {name: [str(uuid4()), str(uuid4())] for name in ("one", "two")}
    migrate.upgrade(empty, "0002")
    with empty.begin() as connection:
        for name, (first, second) in ids.items():
            row = given | {"project": f"id-{name}", "name": name, "first": first, "second": second}
            for statement in OLD_ROWS:
                connection.execute(text(statement), row)
        connection.execute(
            text(
                "UPDATE conversations SET touched = (SELECT min(seq) FROM events WHERE "
                "events.project_id = conversations.project_id)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO conversations (project_id, id, first_at, last_at, touched) "
                "SELECT project_id, conversation, at, at, seq FROM events WHERE conversation = 'c2'"
            )
        )
        connection.execute(
            text(
                "INSERT INTO events (project_id, id, kind, at, received_at, occurred_at, conversation, "
                "fields, \"transaction\") VALUES ('id-one', 'gone', 'share', :at, :at, :at, 'c', '{}', 0)"
            ),
            given,
        )
        last = connection.scalar(text("SELECT max(seq) FROM events"))
        connection.execute(text("DELETE FROM events WHERE id = 'gone'"))
    before = _old_rows(empty)

    migrate.upgrade(empty)
    assert migrate.check(empty) == []
    fold(empty)
    with reading(empty) as session:
        for name, (first, second) in ids.items():
            project = projects.get(session, name)
            events = read_events(session, project.id)
            assert events["event"].to_list() == [second, first]
            assert events["at"].to_list() == [times["early"], times["at"]]
            assert events.select("kind", "conversation", "user", "message").rows() == [
                ("vote", "c2", None, "m2"),
                ("message", "c1", "hash", "m1"),
            ]
            assert events.select("value", "role").rows() == [(1.0, None), (None, "user")]
            assert read_messages(session, project.id)["at"].to_list() == [times["at"]]
            assert read_texts(session, project.id) == {"m1": "Where is the station?"}
            [voted] = session.scalars(select(Event).where(Event.project_id == project.id, Event.id == second))
            assert (voted.sent_at, voted.received_at) == (times["later"], times["later"])
            [told] = session.scalars(select(Event).where(Event.project_id == project.id, Event.id == first))
            assert (told.arm, told.page, told.n, told.sent_at) == ({"policy": "b"}, "p", 1, None)
            assert waiting(session, project.id) == 1
    with transaction(empty) as session:
        project = projects.create(session, "three")
        item = {"id": str(uuid4()), "kind": "share", "at": 10**12, "conversation": "c"}
        ingest(session, project, [parse(item)], sent_at=None, received_at=times["at"])
        assert session.scalar(select(Event.seq).where(Event.project_id == project.id)) > last
        session.execute(delete(Event).where(Event.project_id == project.id))
        session.delete(project)

    migrate.downgrade(empty, "0002")
    assert _old_rows(empty) == before
