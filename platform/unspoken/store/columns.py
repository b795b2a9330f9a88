"""What columns are made of: times, ids and JSON that mean the same on both databases."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import JSON, BigInteger, DateTime, Integer, String
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
# Without none_as_null, None would be stored as the JSON text `null`, which IS NULL does not find.
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# SQLite counts only INTEGER PRIMARY KEY columns up by itself.
Serial = BigInteger().with_variant(Integer(), "sqlite")


class Utc(TypeDecorator[datetime]):
    """Time-zone-aware UTC on both databases; SQLite forgets zones, so it is given back. Naive times are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; ValueError on a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """A UTC time as whole microseconds since 1970: what stands in every event is read and compared as a number."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To microseconds; TypeError on a time without a zone."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database, in UTC."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


# What a client gives as an id of an event: 16 bytes on PostgreSQL, its 36 characters on SQLite.
EventId = String(36).with_variant(UUID(as_uuid=False), "postgresql")


class NextNumber(FunctionElement[int]):
    """The number of a new project. On SQLite there is one writer at a time, so nobody else takes the same."""

    type = Integer()
    inherit_cache = True


@compiles(NextNumber)
def _next_number(element: NextNumber, compiler: SQLCompiler, **_: object) -> str:
    return "nextval('projects_number')"


@compiles(NextNumber, "sqlite")
def _next_number_on_sqlite(element: NextNumber, compiler: SQLCompiler, **_: object) -> str:
    return "(SELECT coalesce(max(number), 0) + 1 FROM projects)"


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A random id for a row that the platform itself makes."""
    return uuid4().hex
