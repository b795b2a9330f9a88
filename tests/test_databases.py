"""A database is lent to one test after another: each finds it as it was when it was new, or gets another."""

import pytest
from sqlalchemy import func, select, text
from tests.conftest import Postgres

from unspoken.store import projects
from unspoken.store.database import connect, transaction
from unspoken.store.tables import Base


@pytest.fixture
def server(postgres):
    """The same server, whose copies nobody else is lent meanwhile."""
    ours = Postgres(postgres.url)
    yield ours
    for name in ours.free:
        ours.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engines(server):
    """Connects to the next database that the server lends, and gives the last one back."""
    opened = []

    def engine():
        opened.append(connect(server.at(name := server.lend())))
        return opened[-1], name

    yield engine
    for each in opened:
        each.dispose()


def rows(engine):
    with transaction(engine) as session:
        return sum(session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.tables.values())


def test_what_a_test_wrote_is_gone_for_the_next_and_numbers_begin_anew(engines, server):
    first, name = engines()
    with transaction(first) as session:
        number = projects.create(session, "chat").number
    connected = first.connect()  # left open: whoever is still there when the next test begins is cut off
    server.free.append(name)
    second, again = engines()
    assert (again, rows(second)) == (name, 0)
    with transaction(second) as session:
        assert projects.create(session, "chat").number == number
    connected.invalidate()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (id int)",
        "ALTER TABLE events RENAME TO hidden",
        "ALTER TABLE models ADD COLUMN surplus int",
        "DROP TABLE alembic_version",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_one_whose_tables_were_changed_is_not_lent_again(engines, server, change):
    first, name = engines()
    with first.begin() as connection:
        connection.execute(text(change))
    server.free.append(name)
    second, other = engines()
    assert (other != name, rows(second)) == (True, 0)
