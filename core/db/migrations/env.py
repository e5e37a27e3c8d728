"""Alembic's environment: migrations run on the connection that `core.db.session.migrate` hands over."""

from alembic import context

import core.db.models  # noqa: F401  (fills the metadata)
from core.db.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
