"""Reaching databases: plain sentences when one is not there, and writers that wait for each other."""

import threading

import pytest
from sqlalchemy import text

from unspoken.errors import BadInput, Unavailable
from unspoken.events import parse
from unspoken.store import projects
from unspoken.store.columns import now
from unspoken.store.database import connect, reading, transaction
from unspoken.store.writer import Arrival, Writer


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "starts no database URL"),
        ("oracledb2://x/y", "starts no database URL"),
        ("mysql://localhost/x", "sqlite:/// or a postgresql://"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_url_that_names_no_database_is_refused(url, sentence):
    with pytest.raises(BadInput, match=sentence):
        connect(url)


def test_a_server_that_is_not_there_is_said_without_the_password():
    with pytest.raises(Unavailable, match="cannot be reached") as refusal:
        connect("postgresql://someone:secret@127.0.0.1:9/nothing")
    assert "secret" not in refusal.value.detail


def test_a_file_that_cannot_be_opened_is_said(tmp_path):
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(Unavailable, match=r"folder\.db"):
        connect(f"sqlite:///{tmp_path / 'folder.db'}")


def test_the_folder_of_a_new_file_is_made(tmp_path):
    connect(f"sqlite:///{tmp_path / 'a' / 'b' / 'new.db'}").dispose()
    assert (tmp_path / "a" / "b" / "new.db").exists()


def test_sqlite_keeps_what_it_promises(sqlite_engine):
    with sqlite_engine.connect() as connection:
        said = [connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert said == ["wal", 2, 1]


def test_two_who_read_and_then_write_wait_for_each_other(engine):
    barrier = threading.Barrier(6)

    def count_up(turn):
        barrier.wait(120)
        with transaction(engine) as session:
            projects.ensure(session, "chat")
            projects.create(session, f"other {turn}")

    threads = [threading.Thread(target=count_up, args=(turn,)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    with reading(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM projects")) == 7


def test_readers_do_not_wait_for_a_writer(engine):
    with transaction(engine) as writer:
        projects.create(writer, "chat")
        with reading(engine) as session:
            assert session.scalar(text("SELECT count(*) FROM projects")) == 0


def test_a_block_that_raises_writes_nothing(engine):
    with pytest.raises(RuntimeError), transaction(engine) as session:
        projects.create(session, "chat")
        raise RuntimeError("broken off")
    with reading(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM projects")) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_server_that_became_a_standby_is_not_there_to_write(engine, make_event):
    """What the writer gets on its own connection, and everybody else on theirs; and afterwards it is over."""
    with transaction(engine) as session:
        project = projects.create(session, "chat")

    def standby(state):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {state}'))
        engine.dispose()

    writer = Writer(engine)
    writer.start()
    arrival = Arrival(project, None, [parse(make_event())], None, now())
    standby("on")
    with pytest.raises(Unavailable, match="cannot be written"):
        writer.put(arrival).result(120)
    with pytest.raises(Unavailable, match="cannot be written"), transaction(engine) as session:
        projects.create(session, "other")
    standby("off")
    assert writer.put(arrival).result(120).stored == 1
    writer.close()


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "x.db").write_bytes(b"garbage" * 1_000)
    with pytest.raises(Unavailable, match="not a database"):
        connect(f"sqlite:///{tmp_path / 'x.db'}")
