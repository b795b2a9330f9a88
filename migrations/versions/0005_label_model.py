"""Labels say how sure they are of what an answer was worth, and which act moved them by how much."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("mean", sa.Double(), nullable=True),
        sa.Column("sd", sa.Double(), nullable=True),
        sa.Column("moved", JSON, nullable=True),
    )


def upgrade() -> None:
    """Only adds: the version before still runs on it."""
    for column in _columns():
        op.add_column("labels", column)


def downgrade() -> None:
    """What is dropped here is made again by the next build of labels."""
    for column in _columns():
        op.drop_column("labels", column.name)
