"""Whether a server can answer: its parts are warmed beside it until they are there, and its database answers."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.keys import keys_exist
from app.limits import is_loopback
from app.runtime import Runtime
from app.warm import warm
from core.db.session import Database
from core.errors import AttestError, InvalidInput
from core.logging import without_credentials
from core.types import Json

log = logging.getLogger(__name__)
RETRY_S = 5.0
"""Between two attempts to warm the parts: a database or a disk that comes back is noticed within that."""
ANSWER_S = 2.0
"""How long the database may take to answer, below the few seconds that those who probe a server wait."""


class Readiness:
    """Warms the parts of a server in a thread of its own, and says what it can answer with; thread-safe."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._warm = False
        self._trouble: str | None = None
        self._stopping = threading.Event()
        self._warming: threading.Thread | None = None
        self._asked: Future[str | None] | None = None

    def start(self) -> None:
        """Begin to warm the parts."""
        self._warming = threading.Thread(target=self._warm_until_done, name="warming", daemon=True)
        self._warming.start()

    def stop(self) -> None:
        """End the warming: the attempt at hand is waited for, since it uses the parts, and no other follows."""
        self._stopping.set()
        if self._warming is not None:
            self._warming.join()

    async def report(self) -> Json:
        """Say which parts are there and why others are not; takes `ANSWER_S` at most and waits for no other thread.

        An index that could not follow just now still answers: the process stays ready, and `reasons` says so.
        """
        retriever = self._runtime.retriever if self._runtime.has("retriever") else None
        database = await self._database_trouble()
        checks = {
            "database": database is None,
            "index": retriever is not None and retriever.following,
            "rails": self._runtime.has("rails"),
            "models": self._warm,
        }
        reasons = {"database": database, "index": retriever.trouble if retriever else None, "models": self._trouble}
        return {
            "ready": all(checks.values()),
            "checks": checks,
            "reasons": {part: why for part, why in reasons.items() if why is not None},
        }

    async def _database_trouble(self) -> str | None:
        """Return why the database does not answer, `None` where it does.

        It is asked in a thread of its own, for those that make whole answers may all be waiting for it; while one is
        stuck there no second one is sent after it.
        """
        if not self._runtime.has("database"):
            return "it is not open yet"
        if self._asked is None or self._asked.done():
            self._asked = Future()
            threading.Thread(target=_ask, args=(self._runtime.database, self._asked), daemon=True).start()
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._asked)), ANSWER_S)
        except TimeoutError:
            return f"it did not answer within {ANSWER_S:.0f} s"

    def _warm_until_done(self) -> None:
        """Warm the parts, again while that fails; what a person must change first ends it."""
        while not self._stopping.is_set():
            try:
                self._warn_without_keys()
                warm(self._runtime)
            except InvalidInput as error:
                self._failed(_told(error))
                return
            except AttestError as error:
                self._failed(_told(error))
            except Exception as error:  # noqa: BLE001 - a thread's edge: whatever failed may not fail the next time
                self._failed(f"unexpected {type(error).__name__}; the server's log says more", error)
            else:
                self._warm, self._trouble = True, None
                return
            self._stopping.wait(RETRY_S)

    def _failed(self, trouble: str, error: Exception | None = None) -> None:
        """Keep why the parts are not there, and log it once, however often it is met."""
        if trouble != self._trouble:
            log.error("not ready: %s", trouble, exc_info=error)
        self._trouble = trouble

    def _warn_without_keys(self) -> None:
        if self._trouble is not None or not is_loopback(self._runtime.settings.server.host):
            return
        with self._runtime.database.read() as session:
            if not keys_exist(session):
                log.warning(
                    "there are no keys: anyone who reaches this port is the operator; make a key before a proxy is put "
                    "in front: attest keys create --operator"
                )


def _ask(database: Database, answer: Future[str | None]) -> None:
    """Ask the database for something it always has."""
    try:
        with database.read() as session:
            session.execute(text("SELECT 1"))
    except AttestError as error:
        answer.set_result(_told(error))
    except SQLAlchemyError as error:
        answer.set_result(f"unexpected {type(error).__name__}")
    except BaseException as error:
        answer.set_exception(error)
        raise
    else:
        answer.set_result(None)


def _told(error: AttestError) -> str:
    return without_credentials(f"{error.kind}: {error}")
