"""The migrations on both databases: up, down, up, and no drift from the tables as declared."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import inspect, text

from unspoken import migrate
from unspoken.errors import BadInput, Unavailable
from unspoken.store import projects
from unspoken.store.database import connect, transaction
from unspoken.store.tables import Base


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
