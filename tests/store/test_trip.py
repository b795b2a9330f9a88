"""Several statements in one trip: in one transaction, also after one failed, and whatever psycopg does besides."""

import pytest
from psycopg.errors import DivisionByZero

from unspoken.store.trip import Statement, trip

TAKES = Statement("takes", "INSERT INTO numbers SELECT * FROM unnest($1::int[]) ON CONFLICT DO NOTHING")
COUNTS = Statement("counts", "SELECT count(*) FROM numbers")
BREAKS = Statement("breaks", "SELECT 1 / $1::int")

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def connection(engine):
    pooled = engine.raw_connection()
    connection = pooled.driver_connection
    connection.execute("CREATE TEMPORARY TABLE numbers (number int PRIMARY KEY)")
    connection.commit()
    yield connection
    pooled.invalidate()


def test_all_is_told_and_nothing_is_committed(connection):
    taken, counted = trip(connection, [(TAKES, ["{1,2,2,3}"]), (COUNTS, [])])
    assert (taken.command_tuples, counted.get_value(0, 0)) == (3, b"3")
    [taken] = trip(connection, [(TAKES, ["{3,4}"])])
    assert taken.command_tuples == 1
    connection.rollback()
    assert trip(connection, [(COUNTS, [])])[0].get_value(0, 0) == b"0"
    assert trip(connection, []) == []


def test_one_that_fails_ends_the_transaction_and_the_connection_goes_on(connection):
    for _ in range(3):
        with pytest.raises(DivisionByZero):
            trip(connection, [(TAKES, ["{1}"]), (BREAKS, ["0"]), (COUNTS, [])])
        connection.rollback()
        assert trip(connection, [(COUNTS, []), (BREAKS, ["1"])])[0].get_value(0, 0) == b"0"
        connection.commit()


def test_what_was_prepared_stays_so_at_a_rollback(connection):
    for _ in range(3):
        for _ in range(10):
            connection.execute("SELECT %s::int", (1,))
        trip(connection, [(TAKES, ["{1}"])])
        connection.rollback()


def test_more_than_the_socket_holds_goes_both_ways(connection):
    echo = Statement("echo", "SELECT $1::text")
    long = "x" * 5_000_000
    assert [each.get_value(0, 0) for each in trip(connection, [(echo, [long])] * 3)] == [long.encode()] * 3
