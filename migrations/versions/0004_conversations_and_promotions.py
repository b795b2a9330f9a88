"""Where a conversation's events lie, what happened in it and who took part; counts by day; which model is in force;
labels are found by their message.

What is derived from events is emptied, and made anew by the next run of store/fold.py.
"""

import sqlalchemy as sa
from alembic import op

TIME = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Events and messages stay as they are; folding some million events again takes minutes, beside everything else."""
    _forget()
    _conversations(sa.Column("kinds", sa.BigInteger(), nullable=False))
    op.create_index(
        op.f("ix_conversations_project_conversations_last_at_conversations_id"),
        "conversations",
        ["project", "last_at", "id"],
    )
    _tallies(
        ("day", "kind"),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "spans",
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("conversation", sa.String(200), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "conversation", "first_seq", name=op.f("pk_spans")),
    )
    op.create_table(
        "participants",
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("conversation", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("project", "user", "conversation", name=op.f("pk_participants")),
    )
    op.create_table(
        "promotions",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("family", sa.String(16), nullable=False),
        sa.Column("model_id", sa.String(64), nullable=True),
        sa.Column("back", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_promotions_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_promotions_model_id_models"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_promotions")),
    )
    op.create_index(op.f("ix_promotions_project_id"), "promotions", ["project_id"])
    op.create_index(op.f("ix_labels_dataset_id_labels_message"), "labels", ["dataset_id", "message"])
    op.drop_index(op.f("ix_labels_dataset_id"), "labels")


def downgrade() -> None:
    """Derived tables as they were, empty; what was promoted is forgotten."""
    op.create_index(op.f("ix_labels_dataset_id"), "labels", ["dataset_id"])
    op.drop_index(op.f("ix_labels_dataset_id_labels_message"), "labels")
    for table in ("promotions", "participants", "spans"):
        op.drop_table(table)
    _forget()
    _conversations()
    _tallies(
        ("kind",),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
    )


def _forget() -> None:
    for table in ("conversations", "tallies"):
        op.drop_table(table)
    op.execute("DELETE FROM watermarks WHERE name = 'fold'")


def _conversations(*more: sa.Column[int]) -> None:
    op.create_table(
        "conversations",
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(200), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("first_at", "last_at", "touched")),
        *more,
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_conversations")),
    )
    op.create_index(op.f("ix_conversations_project_conversations_touched"), "conversations", ["project", "touched"])


def _tallies(key: tuple[str, ...], *columns: sa.Column[int] | sa.Column[str]) -> None:
    op.create_table(
        "tallies",
        sa.Column("project", sa.Integer(), nullable=False),
        *columns,
        sa.Column("last_received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", *key, name=op.f("pk_tallies")),
    )
