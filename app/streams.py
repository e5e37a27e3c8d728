"""Answers in the making: each runs in a thread of its own, and readers may leave, come back and stop it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from app.conversations import readable_of
from app.events import Concluded, Event, event_json, event_name
from app.problems import problem, unexpected
from core.db.session import Database
from core.errors import AttestError, Busy, NotFound, Stopping
from core.stored_answers import documents_of
from core.types import Json, Principal

log = logging.getLogger(__name__)

RESUME_S = 5.0
"""How long a reader may be away before the model is told to stop: a lost connection comes back within that."""
KEPT_S = 120.0
"""How long a finished stream can be read again."""
RUNNING = 64
"""Answers made at once; beyond it a caller is told to come back, which beats a queue nobody sees."""
STOPPED: Json = problem(409, "Stopped", "this answer was stopped before it was finished; ask again for the whole of it")
"""The last event of an answer that a reader stopped, or that nobody was reading any more."""
KEEP_ALIVE_S = 15.0
"""Silence after which a comment is sent, below the 30 to 60 s after which proxies hang up."""


TELLING = ("draft", "citation", "claim", "answer")
"""Events that hold words of documents, each sent only to a reader who may still be told."""
MayTell = Callable[[set[str]], None]
"""Raises where a reader may no longer be told of some documents, by their ids."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One event on the wire; numbers count from 1."""

    number: int
    name: str
    data: Json

    def documents(self) -> set[str]:
        """Return the ids of the documents that it names."""
        if self.name == "citation":
            return {self.data["document_id"]}
        return documents_of(self.data) if self.name == "answer" else set()


class Stream:
    """The events of one answer so far, and who is reading them."""

    def __init__(self, owner: str, server: str = "") -> None:
        self.id = server + uuid.uuid4().hex
        self.owner = owner
        self.done = False
        self.finished_at: float | None = None
        self.cut = False
        self._events: list[Sent] = []
        self._readers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self._stop = False
        self._alone_since = time.monotonic()

    def stop(self) -> None:
        """Ask the answer to stop."""
        self._stop = True

    def cut_short(self) -> None:
        """Ask the answer to stop because the server does; whoever reads it is told so."""
        self.cut, self._stop = True, True

    def stopped(self) -> bool:
        """Say whether a reader stopped it or every reader has been gone for too long."""
        with self._lock:
            return self._stop or (not self._readers and time.monotonic() - self._alone_since > RESUME_S)

    def put(self, name: str, data: Json) -> None:
        """Add an event and wake the readers."""
        with self._lock:
            self._events.append(Sent(len(self._events) + 1, name, data))
        self._wake()

    def documents(self) -> set[str]:
        """Return the documents whose words were told so far."""
        with self._lock:
            return _named(self._events)

    def finish(self) -> None:
        """Say that nothing more comes."""
        self.done, self.finished_at = True, time.monotonic()
        self._wake()

    async def read(self, may_tell: MayTell, after: int = 0) -> AsyncIterator[Sent | None]:
        """Yield the events above a number as they come; `None` stands for a keep-alive.

        The events end with an `error` in place of the first one that the reader may not be told any more.
        """
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        threads = CapacityLimiter(1)  # its own, for the server's threads may all be busy with whole answers
        with self._lock:
            self._readers[woken] = loop
        try:
            while True:
                woken.clear()
                done = self.done  # read before the events: what was put before `done` is then among them
                with self._lock:
                    fresh, told = self._events[after:], _named(self._events[:after])
                for sent in fresh:
                    told |= sent.documents()
                    if denied := await _denial(sent, told, may_tell, threads):
                        if isinstance(denied, NotFound):  # a list changed: it holds for every reader of this stream
                            self.stop()
                        yield Sent(after, "error", _told(denied))  # numbered so that a resumption begins at `sent`
                        return
                    yield sent
                    after += 1
                if done and not fresh:
                    return
                if not fresh and not await _within(woken, KEEP_ALIVE_S):
                    yield None
        finally:
            with self._lock:
                del self._readers[woken]
                self._alone_since = time.monotonic()

    def _wake(self) -> None:
        with self._lock:
            readers = list(self._readers.items())
        for woken, loop in readers:
            try:
                loop.call_soon_threadsafe(woken.set)
            except RuntimeError:  # the server's loop closed under a reader: nobody is left to wake
                log.debug("a reader's loop is closed")


class Streams:
    """The streams of one server."""

    def __init__(self) -> None:
        self._server = uuid.uuid4().hex[:8]
        """Begins the id of every stream of this process, so that one of another process is known as such."""
        self._streams: dict[str, Stream] = {}
        self._lock = threading.Lock()
        self._ending = False

    def ending(self) -> bool:
        """Say whether answers are to end now, finished or not, because the server does."""
        return self._ending

    def start(self, owner: str, events: Callable[[Stream], Iterator[Event]]) -> Stream:
        """Run the making of an answer in a thread and return its stream.

        Raises:
            Busy: too many answers are being made.
        """
        stream = Stream(owner, self._server)
        with self._lock:
            self._forget_old()
            if sum(not s.done for s in self._streams.values()) >= RUNNING:
                raise Busy("too many answers are being made; try again in a moment")
            self._streams[stream.id] = stream
        threading.Thread(target=_run, args=(stream, events), name=f"answer-{stream.id[:8]}", daemon=True).start()
        return stream

    def find(self, stream_id: str, owner: str) -> Stream:
        """Return a stream of this owner.

        Raises:
            NotFound: it has none of that id, or it finished too long ago, or another process makes it.
        """
        if not stream_id.startswith(self._server):
            raise NotFound(
                f"stream {stream_id} is not of this server process: it was begun by another one, or before a restart. "
                "Send a stream's requests to the process that began it, or ask again."
            )
        with self._lock:
            stream = self._streams.get(stream_id)
        if stream is None or stream.owner != owner:
            raise NotFound(f"no stream {stream_id}")
        return stream

    def find_readable(self, stream_id: str, principal: Principal, database: Database) -> Stream:
        """Return a stream of this principal to be read again.

        Raises:
            NotFound: there is none, or what it has told may no longer be read by its principal.
        """
        stream = self.find(stream_id, principal.name)
        told = stream.documents()
        with database.read() as session:
            if told != readable_of(session, principal, told):
                raise NotFound(f"no stream {stream_id}")
        return stream

    def end(self) -> None:
        """Ask every answer to end."""
        self._ending = True
        with self._lock:
            for stream in self._streams.values():
                stream.cut_short()

    def stop_all(self, wait_s: float) -> None:
        """Ask every answer to end and wait for them."""
        self.end()
        with self._lock:
            streams = list(self._streams.values())
        deadline = time.monotonic() + wait_s
        while any(not s.done for s in streams) and time.monotonic() < deadline:
            time.sleep(0.02)

    def _forget_old(self) -> None:
        horizon = time.monotonic() - KEPT_S
        for stream in list(self._streams.values()):
            if stream.finished_at is not None and stream.finished_at < horizon:
                del self._streams[stream.id]


def _run(stream: Stream, events: Callable[[Stream], Iterator[Event]]) -> None:
    """Feed a stream; the edge of its thread, so that every error ends as an event."""
    event: Event | None = None
    try:
        for event in events(stream):
            stream.put(event_name(event), event_json(event))
        if not isinstance(event, Concluded):
            if stream.cut:
                raise Stopping
            stream.put("error", STOPPED)
    except AttestError as error:
        stream.put("error", _told(error))
    except Exception as error:  # noqa: BLE001 - a thread's edge: a bug must reach the reader, not end in silence
        stream.put("error", unexpected(f"stream {stream.id}", error))
    finally:
        stream.finish()


def _named(events: Iterable[Sent]) -> set[str]:
    return {document_id for sent in events for document_id in sent.documents()}


def _told(error: AttestError) -> Json:
    return problem(error.status_code, error.kind, str(error), retry_after_s=error.retry_after_s)


async def _denial(sent: Sent, told: set[str], may_tell: MayTell, threads: CapacityLimiter) -> AttestError | None:
    """Return why an event may not be sent to a reader who was told of some documents, by this event or before it."""
    if sent.name not in TELLING:
        return None
    try:
        await to_thread.run_sync(may_tell, told, limiter=threads)
    except AttestError as error:
        return error
    return None


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
