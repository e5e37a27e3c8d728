"""The schema's revision: checked on every opening, migrated by Alembic under a lock when it is behind."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from core.errors import Conflict

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0005"
"""The newest revision in `migrations/versions`, named here so that opening a store does not import Alembic."""
WRITER_LOCK = 0x617474657374  # "attest": the PostgreSQL advisory lock that puts change log rows in commit order


def migrate(engine: Engine, revision: str = HEAD) -> None:
    """Bring the schema to a revision; one process does it while others wait.

    Raises:
        Conflict: a newer program wrote this store.
    """
    with engine.connect() as connection:
        if schema_revision(connection) == revision:
            return
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection = connection.execution_options(attest_begin="IMMEDIATE")
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
            _upgrade(connection, revision)


def schema_revision(connection: Connection) -> str | None:
    """Return the revision of a store, `None` where it holds no schema yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    found = schema_revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise Conflict(f"the store's schema is {found}, newer than this program ({HEAD}): upgrade Attest")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
