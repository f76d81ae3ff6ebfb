"""Alembic environment for the platform tables. The connection is always given by builder.store.migrate."""

from alembic import context

from builder.store.migrate import VERSION_TABLE
from builder.store.tables import PREFIX, metadata


def _is_platform(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or bool(name and name.startswith(PREFIX))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=_is_platform,
    render_as_batch=True,
    transactional_ddl=True,
    version_table=VERSION_TABLE,
)
# the caller has begun the transaction
context.run_migrations()
