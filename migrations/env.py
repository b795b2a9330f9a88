"""Runs the revisions on the connection that unspoken.migrate hands over, else on the settings' database."""

from alembic import context
from sqlalchemy import Connection

from unspoken.store.columns import Utc
from unspoken.store.database import connect
from unspoken.store.tables import Base


def run(connection: Connection) -> None:
    """All revisions in one transaction; autogenerate writes plain SQLAlchemy types, which later code cannot change."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=lambda kind, item, _: "sa.DateTime(timezone=True)" if isinstance(item, Utc) else False,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with connect().begin() as own:
        run(own)
