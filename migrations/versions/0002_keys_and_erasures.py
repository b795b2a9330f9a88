"""What keys may do and until when; what was withdrawn because a user was erased."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WITHDRAWN = ("datasets", "models", "reports")


def _of_keys() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("name", sa.String(200), nullable=False, server_default=""),
        sa.Column("origins", JSON, nullable=True),
        sa.Column("events_per_s", sa.Double(), nullable=True),
        sa.Column("replaces", sa.String(64), nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
    )


def upgrade() -> None:
    """Only adds: the version before still runs on it."""
    for column in _of_keys():
        op.add_column("keys", column)
    for table in WITHDRAWN:
        op.add_column(table, sa.Column("withdrawn_at", TIME, nullable=True))
    op.create_table(
        "erasures",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("asked_by", sa.String(200), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("before", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("counts", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_erasures_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_erasures")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_erasures_project_id_erasures_user"), "erasures", ["project_id", "user"])


def downgrade() -> None:
    """What is dropped here is lost."""
    op.drop_table("erasures")
    for table in WITHDRAWN:
        op.drop_column(table, "withdrawn_at")
    for column in _of_keys():
        op.drop_column("keys", column.name)
