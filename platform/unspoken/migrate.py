"""Finds the migration scripts, in a checkout or in the wheel, and runs them. Two processes at once take turns."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

import unspoken
from unspoken.errors import BadInput
from unspoken.store.tables import Base

LOCK = 0x756E73706F6B656E  # "unspoken": whoever migrates on PostgreSQL holds this advisory lock


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Brings the tables up to a revision; nothing happens when they are there already."""
    with _exclusive(engine) as connection, _explained(engine):
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Takes the tables back to a revision, "base" for none. What only later revisions store is lost."""
    with _exclusive(engine) as connection, _explained(engine):
        command.downgrade(_config(connection), revision)


def current(engine: Engine) -> str | None:
    """The revision the database is at; None before the first."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision this version knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def check(engine: Engine) -> list[str]:
    """How the database differs from the tables as declared; empty when it does not."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def scripts() -> Path:
    """The folder of the migration scripts."""
    package = Path(unspoken.__file__).parent
    wheel, checkout = package / "migrations", package.parents[1] / "migrations"
    found = next((folder for folder in (wheel, checkout) if (folder / "env.py").is_file()), None)
    if found is None:
        raise BadInput(f"The migration scripts are neither in {wheel} nor in {checkout}; install unspoken again.")
    return found


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _exclusive(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction that no other migration runs beside."""
    with engine.connect() as connection:
        sqlite = engine.dialect.name == "sqlite"
        driver = connection.connection.cursor()
        if sqlite:
            # Rebuilding a table drops the old one, and a drop cascades. The pragma has no effect inside a transaction.
            driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():  # on SQLite this waits for the write lock
                if not sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                yield connection
        finally:
            if sqlite:
                driver.execute("PRAGMA foreign_keys=ON")
            driver.close()


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise BadInput(
            f"The database {engine.url.render_as_string()} cannot be migrated: {error}. If a newer version of unspoken "
            "made it, use that version."
        ) from error
