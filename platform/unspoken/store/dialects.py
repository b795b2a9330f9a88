"""The one statement both databases have and SQLAlchemy spells twice: INSERT … ON CONFLICT."""

from typing import cast

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from unspoken.store.tables import Base


def insert(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """INSERT that knows ON CONFLICT, for the session's database."""
    rows = cast(Table, table.__table__)  # the class itself would send every row through the ORM, at half the speed
    return postgresql.insert(rows) if on_postgresql(session) else sqlite.insert(rows)


def insert_or_skip(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """INSERT that leaves a row alone which is there already."""
    return insert(session, table).on_conflict_do_nothing()


def on_postgresql(session: Session) -> bool:
    """Whether the session speaks to PostgreSQL."""
    return session.get_bind().dialect.name == "postgresql"
