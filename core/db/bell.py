"""Waking whoever follows the change log: PostgreSQL says when something was committed, a time-out is the floor.

SQLite has nobody to say it, so there a wait always takes its time. A notification carries nothing: whoever wakes reads
the log, and one that is lost costs the time-out and no more.
"""

from __future__ import annotations

import logging
import os
import select
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.db.session import Database

if TYPE_CHECKING:
    import psycopg

logger = logging.getLogger(__name__)
CHANNEL = "attest_changes"
CONNECT_TIMEOUT_S = 5


def ring(session: Session) -> None:
    """Have PostgreSQL wake every follower when the caller's transaction commits; nothing elsewhere."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))


class Bell:
    """One follower's ear, with a connection of its own; `wait` belongs to one thread, `stop` to any."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: psycopg.Connection | None = None
        self._woken, self._waker = os.pipe()

    def wait(self, seconds: float) -> None:
        """Return when a commit was notified, when told to stop, or when the time is up."""
        connection = self._listening()
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if connection is not None:
            poll.register(connection.fileno(), select.POLLIN)
        poll.poll(seconds * 1000)
        if connection is not None:
            self._drain(connection)

    def stop(self) -> None:
        """End the wait under way and every later one at once."""
        os.write(self._waker, b"!")

    def close(self) -> None:
        """Release the connection; nobody waits any more."""
        if self._connection is not None:
            self._connection.close()
        os.close(self._woken)
        os.close(self._waker)

    def _listening(self) -> psycopg.Connection | None:
        """Return the connection that hears, opened anew where it broke; `None` where there is nothing to hear."""
        if self._database.dialect != "postgresql":
            return None
        import psycopg

        if self._connection is None or self._connection.closed:
            address = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
            try:
                self._connection = psycopg.connect(address, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
                self._connection.execute(f"LISTEN {CHANNEL}")
            except psycopg.Error as error:
                logger.debug("cannot listen for changes, polling: %s", error)
                self._connection = None
        return self._connection

    def _drain(self, connection: psycopg.Connection) -> None:
        import psycopg

        try:
            for _ in connection.notifies(timeout=0):
                pass
        except psycopg.Error as error:
            logger.debug("lost the connection that listens, polling: %s", error)
            connection.close()
