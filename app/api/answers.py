"""Questions: the whole answer at once, or claim by claim as server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated

from anyio import from_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.description import EventStream, gives
from app.ask import ask, ask_events
from app.auth import Asking, Parts, still_reading
from app.events import Concluded, Event
from app.runtime import Runtime
from app.schemas import AskBody, whole_number
from app.streams import MayTell, Stream, Streams
from core.errors import Conflict, InvalidInput, Stopping
from core.stored_answers import documents_of
from core.types import Answer, Citation, Claim, Json, Question, Verdict

router = APIRouter(prefix="/v1/ask", tags=["answers"])
LOOK_S = 0.5
"""How often it is seen whether a client still waits: a draft asks at each of its pieces, thousands a second."""
EXAMPLE = Answer(
    id="5f0c31d24a7b4c0f9d1e8a6b7c5d4e3f",
    outcome="answered",
    text="You may carry over 240 hours of annual leave. [1]",
    reason=None,
    claims=(Claim("You may carry over 240 hours of annual leave.", 0, 45, (1,), "supported", 0.97),),
    citations=(
        Citation(
            marker=1,
            document_id="9d2e5b7c1f3a4e6d8b0a2c4e6f8d0b1a",
            version=1,
            title="Leave",
            source="handbook/leave.md",
            page=None,
            start=1033,
            end=1091,
            quote="Staff may carry over 240 hours of annual leave to the next",
            score=0.8,
            updated_at="2026-01-31T09:00:00+00:00",
            chunk_id=42,
        ),
    ),
    rails=(Verdict("toxicity", "input", "allow", 0.01, 0.5),),
    model="quote",
    generator="quote",
    index_seq=1234,
    timings_ms={"retrieve": 8.0, "generate": 21.0, "total": 31.5},
    question="How much annual leave may I carry over?",
    query="How much annual leave may I carry over?",
)
ANSWERED = gives(
    Answer,
    description="Answered, refused or blocked",
    content={"application/json": {"example": EXAMPLE.to_json()}},
)


@router.post("", responses=ANSWERED)
def ask_question(body: AskBody, principal: Asking, runtime: Parts, request: Request) -> Json:
    """Answer a question; a refusal is an outcome with status 200."""
    return whole_answer(request, runtime, body.to_question(principal)).to_json()


@router.post("/stream", response_class=EventStream)
async def stream_answer(
    body: AskBody,
    principal: Asking,
    runtime: Parts,
    request: Request,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStream:
    """Answer as server-sent events: `stage`, `citation`, `claim`, at last `answer`; `error` where it failed.

    Each event's id is `<stream>:<number>`. Sent back as `Last-Event-ID`, it resumes the same answer.
    """
    streams: Streams = request.app.state.streams
    if last_event_id:
        stream_id, after = _event_id(last_event_id)
        found = await run_in_threadpool(streams.find_readable, stream_id, principal, runtime.database)
        return _response(found, still_reading(request), after)
    return _response(start(request, runtime, body.to_question(principal)), still_reading(request), 0)


@router.get("/stream/{stream_id}", response_class=EventStream)
def resume_answer(
    stream_id: str,
    principal: Asking,
    runtime: Parts,
    request: Request,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStream:
    """Read an answer in the making, or one just made, from the start or after `Last-Event-ID`."""
    after = _event_id(last_event_id)[1] if last_event_id else 0
    streams: Streams = request.app.state.streams
    found = streams.find_readable(stream_id, principal, runtime.database)
    return _response(found, still_reading(request), after)


@router.delete("/stream/{stream_id}", status_code=204)
def stop_answer(stream_id: str, principal: Asking, request: Request) -> Response:
    """Stop an answer in the making; the model is told to stop too."""
    request.app.state.streams.find(stream_id, principal.name).stop()
    return Response(status_code=204)


def whole_answer(request: Request, runtime: Runtime, question: Question) -> Answer:
    """Answer a question in one piece, as long as the server goes on and whoever asked waits for it.

    Raises:
        Stopping: the server is told to stop.
        Conflict: the client hung up; nobody is left to read it.
        Unauthenticated: its key was revoked meanwhile.
        NotFound: a document behind the answer may no longer be read by whoever asked.
    """
    return whole(request, lambda stopped: ask(runtime, question, stopped=stopped))


def whole(request: Request, make: Callable[[Callable[[], bool]], Answer]) -> Answer:
    """Return an answer that is told in one piece, if it is made before `stopped` comes true and may still be told.

    Raises:
        As `whole_answer`.
    """
    ending, hung_up = request.app.state.streams.ending, _hanging_up(request)
    try:
        answer = make(lambda: ending() or hung_up())
    except Stopping:
        if ending():
            raise
        raise Conflict("the client hung up before its answer was finished") from None
    request.app.state.metrics.observe_answer(answer)
    still_reading(request)(documents_of(answer.to_json()))
    return answer


def _hanging_up(request: Request) -> Callable[[], bool]:
    """Return what says whether the client has hung up; for the thread of the request."""
    gone, look_at = False, time.monotonic() + LOOK_S

    def hung_up() -> bool:
        nonlocal gone, look_at
        if not gone and time.monotonic() >= look_at:
            gone, look_at = from_thread.run(request.is_disconnected), time.monotonic() + LOOK_S
        return gone

    return hung_up


def start(request: Request, runtime: Runtime, question: Question) -> Stream:
    """Begin to answer a question in a thread of its own."""
    metrics = request.app.state.metrics

    def events(stream: Stream) -> Iterator[Event]:
        for event in ask_events(runtime, question, stopped=stream.stopped):
            if isinstance(event, Concluded):
                metrics.observe_answer(event.answer)
            yield event

    streams: Streams = request.app.state.streams
    return streams.start(question.principal.name, events)


def _response(stream: Stream, may_tell: MayTell, after: int) -> EventStream:
    headers = {"X-Accel-Buffering": "no", "X-Attest-Stream": stream.id}
    return EventStream(_lines(stream, may_tell, after), headers=headers)


async def _lines(stream: Stream, may_tell: MayTell, after: int) -> AsyncIterator[str]:
    async for sent in stream.read(may_tell, after):
        if sent is None:
            yield ": still here\n\n"
        else:
            data = json.dumps(sent.data, ensure_ascii=False)
            yield f"id: {stream.id}:{sent.number}\nevent: {sent.name}\ndata: {data}\n\n"


def _event_id(text: str) -> tuple[str, int]:
    stream_id, _, digits = text.partition(":")
    number = whole_number(digits)
    if number is None:
        raise InvalidInput("Last-Event-ID must be the id of an event of this API")
    return stream_id, number
