"""Events and messages name their project by a number and count times in microseconds, and lose the indexes that made
new events fall all over the disk; what is derived from them is made anew by store/fold.py.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIMES = {"events": ("at", "sent_at", "received_at", "occurred_at"), "messages": ("occurred_at",)}
SAME = {
    "events": (
        "seq", "kind", "conversation", "user", "message", "page", "n", "session", "device", "arm", "consent", "fields",
        "transaction",
    ),
    "messages": ("id", "conversation", "parent", "role", "user", "text", "digest", "model", "finish"),
}  # fmt: skip


def upgrade() -> None:
    """Writes events and messages anew, in one transaction: about a minute for ten million events."""
    _number_projects()
    for derived in ("conversations", "parked"):
        op.drop_table(derived)
    _put_aside()
    _new_tables()
    for table, times in TIMES.items():
        columns = ["project", *_ids(table), *SAME[table], *times]
        values = ["p.number", *_ids(table, "uuid"), *SAME[table], *(_microseconds(time) for time in times)]
        _copy(table, columns, values, "p.id = o.project_id")
    _take_over()
    _derived_tables()


def downgrade() -> None:
    """Writes both tables anew as they were."""
    for derived in ("conversations", "parked", "people", "tallies", "watermarks"):
        op.drop_table(derived)
    _put_aside()
    _old_tables()
    for table, times in TIMES.items():
        columns = ["project_id", *_ids(table), *SAME[table], *times]
        values = ["p.id", *_ids(table, "varchar"), *SAME[table], *(_time(time) for time in times)]
        _copy(table, columns, values, "p.number = o.project")
    _take_over()
    _old_derived_tables()
    op.drop_index(op.f("ix_projects_number"), "projects")
    op.drop_column("projects", "number")
    if not _sqlite():
        op.execute("DROP SEQUENCE projects_number")


def _sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _number_projects() -> None:
    # The default is for SQLite, which adds no other column that may not be null; it is never used.
    op.add_column("projects", sa.Column("number", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE projects SET number = (SELECT count(*) FROM projects o WHERE o.id <= projects.id)")
    op.create_index(op.f("ix_projects_number"), "projects", ["number"], unique=True)
    if not _sqlite():
        op.alter_column("projects", "number", server_default=None)
        op.execute("CREATE SEQUENCE projects_number AS integer")
        op.execute("SELECT setval('projects_number', coalesce(max(number), 0) + 1, false) FROM projects")


def _put_aside() -> None:
    """Rename both tables; on PostgreSQL also what keeps a name of its own beside its table."""
    for table in TIMES:
        op.rename_table(table, f"old_{table}")
        if not _sqlite():
            op.execute(f"ALTER TABLE old_{table} RENAME CONSTRAINT pk_{table} TO old_pk_{table}")
    if not _sqlite():
        op.execute("ALTER SEQUENCE events_seq_seq RENAME TO old_events_seq_seq")


def _copy(table: str, columns: Sequence[str], values: Sequence[str], join: str) -> None:
    into = ", ".join(f'"{name}"' for name in columns)
    what = ", ".join(f'o."{value}"' if value in SAME[table] else value for value in values)
    order = " ORDER BY o.seq" if table == "events" else ""
    op.execute(f"INSERT INTO {table} ({into}) SELECT {what} FROM old_{table} o JOIN projects p ON {join}{order}")


def _take_over() -> None:
    """Go on with the old numbers, also those of erased last events, which a reader may have seen; drop the old."""
    if _sqlite():
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        op.execute("UPDATE sqlite_sequence SET name = 'events' WHERE name = 'old_events'")
    else:
        op.execute("SELECT setval('events_seq_seq', last_value, is_called) FROM old_events_seq_seq")
    for table in TIMES:
        op.drop_table(f"old_{table}")


def _ids(table: str, kind: str = "") -> tuple[str, ...]:
    """The id of an event, of that type on PostgreSQL; a message's stays as it is."""
    if table == "messages":
        return ()
    return ("id" if not kind else "o.id" if _sqlite() else f"o.id::{kind}",)


def _microseconds(column: str) -> str:
    if not _sqlite():
        return f"(extract(epoch FROM o.{column}) * 1000000)::bigint"
    return f"CAST(strftime('%s', substr(o.{column}, 1, 19)) AS INTEGER) * 1000000 + CAST(substr(o.{column}, 21) AS INTEGER)"


def _time(column: str) -> str:
    if not _sqlite():
        return f"TIMESTAMPTZ 'epoch' + o.{column} * INTERVAL '1 microsecond'"
    rest = f"((o.{column} % 1000000 + 1000000) % 1000000)"
    return f"strftime('%Y-%m-%d %H:%M:%S', (o.{column} - {rest}) / 1000000, 'unixepoch') || printf('.%06d', {rest})"


def _new_tables() -> None:
    op.create_table(
        "events",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("id", ID, nullable=False),
        *_of_events(sa.BigInteger()),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("project", "id", name=op.f("uq_events_project_id")),
        sqlite_autoincrement=True,
    )
    nowhere = sa.text('"transaction" <> 0')  # on SQLite, where all are 0
    op.create_index(
        op.f("ix_events_transaction"), "events", ["transaction"], postgresql_using="brin", sqlite_where=nowhere
    )
    op.create_table(
        "messages",
        sa.Column("project", sa.Integer(), nullable=False),
        *_of_messages(sa.BigInteger()),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_messages")),
    )


def _derived_tables() -> None:
    op.create_table(
        "conversations",
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(200), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("first_at", "last_at", "touched")),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_conversations")),
    )
    op.create_index(op.f("ix_conversations_project_conversations_touched"), "conversations", ["project", "touched"])
    op.create_table(
        "parked",
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("event", ID, nullable=False),
        sa.Column("message", sa.String(200), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "event", name=op.f("pk_parked")),
    )
    op.create_index(op.f("ix_parked_project_parked_message"), "parked", ["project", "message"])
    op.create_table(
        "people",
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("project", "user", name=op.f("pk_people")),
    )
    op.create_table(
        "tallies",
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("last_received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "kind", name=op.f("pk_tallies")),
    )
    op.create_table(
        "watermarks",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("horizon", JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watermarks")),
    )


def _of_project(table: str) -> tuple[sa.Column[Any], sa.ForeignKeyConstraint]:
    foreign = sa.ForeignKeyConstraint(
        ["project_id"], ["projects.id"], name=op.f(f"fk_{table}_project_id_projects"), ondelete="CASCADE"
    )
    return sa.Column("project_id", sa.String(64), nullable=False), foreign


def _old_tables() -> None:
    column, foreign = _of_project("events")
    op.create_table(
        "events",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        column,
        sa.Column("id", sa.String(36), nullable=False),
        *_of_events(TIME),
        foreign,
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("project_id", "id", name=op.f("uq_events_project_id_id")),
        sqlite_autoincrement=True,
    )
    for rest in (("conversation",), ("transaction", "seq"), ("user",)):
        name = "_".join(["ix_events_project_id", *(f"events_{each}" for each in rest)])
        op.create_index(op.f(name), "events", ["project_id", *rest])
    column, foreign = _of_project("messages")
    op.create_table(
        "messages",
        column,
        *_of_messages(TIME),
        foreign,
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_messages")),
    )
    for each in ("conversation", "user"):
        op.create_index(op.f(f"ix_messages_project_id_messages_{each}"), "messages", ["project_id", each])


def _old_derived_tables() -> None:
    column, foreign = _of_project("conversations")
    op.create_table(
        "conversations",
        column,
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        foreign,
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_conversations")),
    )
    name = op.f("ix_conversations_project_id_conversations_touched")
    op.create_index(name, "conversations", ["project_id", "touched"])
    op.execute(
        "INSERT INTO conversations (project_id, id, first_at, last_at, touched) SELECT project_id, conversation, "
        "min(occurred_at), max(occurred_at), max(seq) FROM events GROUP BY project_id, conversation"
    )
    column, foreign = _of_project("parked")
    op.create_table(
        "parked",
        column,
        sa.Column("event", sa.String(36), nullable=False),
        sa.Column("message", sa.String(200), nullable=False),
        sa.Column("since", TIME, nullable=False),
        foreign,
        sa.PrimaryKeyConstraint("project_id", "event", name=op.f("pk_parked")),
    )
    op.create_index(op.f("ix_parked_project_id_parked_message"), "parked", ["project_id", "message"])
    op.execute(
        "INSERT INTO parked (project_id, event, message, since) SELECT project_id, id, message, received_at FROM events "
        "WHERE message IS NOT NULL AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.project_id = "
        "events.project_id AND messages.id = events.message)"
    )


def _of_events(time: sa.types.TypeEngine[Any]) -> list[sa.Column[Any]]:
    return [
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", time, nullable=False),
        sa.Column("sent_at", time, nullable=True),
        sa.Column("received_at", time, nullable=False),
        sa.Column("occurred_at", time, nullable=False),
        sa.Column("conversation", sa.String(200), nullable=False),
        sa.Column("user", sa.String(64), nullable=True),
        sa.Column("message", sa.String(200), nullable=True),
        sa.Column("page", sa.String(200), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=True),
        sa.Column("session", sa.String(200), nullable=True),
        sa.Column("device", sa.String(16), nullable=True),
        sa.Column("arm", JSON, nullable=True),
        sa.Column("consent", sa.String(200), nullable=True),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
    ]


def _of_messages(time: sa.types.TypeEngine[Any]) -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("conversation", sa.String(200), nullable=False),
        sa.Column("parent", sa.String(200), nullable=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("user", sa.String(64), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("model", sa.String(200), nullable=True),
        sa.Column("finish", sa.String(16), nullable=True),
        sa.Column("occurred_at", time, nullable=False),
    ]
