"""The pipeline that answers a question.

authorise (a greeting is told what can be asked) → input rails → rewrite → retrieve (permitted rows only) → rerank
→ retrieval rails → generate (or quote) → cite and verify each claim → output rails → answered | refused | blocked
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from app.compose import compose
from app.conversations import recall
from app.events import Concluded, Event
from app.record import record
from app.refusals import blocked, greeted, refused
from app.runtime import Runtime
from app.steps import check_input, check_retrieval, redact, require_task, retrieve, rewrite_question, select, weigh
from app.trace import STOPPED, Conclusion, Trace
from core.errors import Stopping
from core.types import Answer, Question
from generation.greetings import greeting_language


def never() -> bool:
    """Say that nobody asked to stop."""
    return False


def ask(runtime: Runtime, question: Question, *, recorded: bool = True, stopped: Callable[[], bool] = never) -> Answer:
    """Answer a question and, unless it is a rehearsal, record the answer.

    Raises:
        Stopping: `stopped` came true before the answer was finished.
        AttestError: a part failed; a refusal is an outcome, not an error.
    """
    for event in ask_events(runtime, question, streaming=False, recorded=recorded, stopped=stopped):
        if isinstance(event, Concluded):
            return event.answer
    raise Stopping


def ask_events(
    runtime: Runtime,
    question: Question,
    *,
    streaming: bool = True,
    recorded: bool = True,
    stopped: Callable[[], bool] = never,
) -> Iterator[Event]:
    """Answer a question, telling each step, claim and citation as it comes; the answer is the last event.

    With `streaming`, each claim passes the output rails and leaves as soon as it is verified. `stopped` is
    asked between pieces of a draft; once true, the model is told to stop and no answer comes: what had left is
    recorded, as stopped.
    """
    trace = Trace(question)
    conclusion = yield from _conclude(runtime, trace, streaming, stopped)
    if conclusion is None:
        return
    if recorded:
        answer = yield from trace.step("record", record, runtime, trace, conclusion)
    else:
        answer = trace.answer(conclusion)
    if conclusion.reason != STOPPED:
        yield Concluded(answer)


def _conclude(
    runtime: Runtime, trace: Trace, streaming: bool, stopped: Callable[[], bool]
) -> Generator[Event, None, Conclusion | None]:
    """Lead one question through the pipeline; `None` where the reader went away."""
    require_task(runtime.settings, trace.question.style)
    trace.question = yield from trace.step("authorise", recall, runtime.database, trace.question)
    # Before the rails: every word of a greeting is known, and they, who read English, took "Guten Morgen" for abuse.
    if language := greeting_language(trace.question.text, trace.question.history):
        return greeted(runtime, trace, language)
    verdicts = yield from trace.step("input_rails", check_input, runtime, trace.question)
    redact(runtime, trace, verdicts)
    if blocking := trace.judged(verdicts):
        return blocked(runtime, trace, blocking)

    query = yield from trace.step("rewrite", rewrite_question, runtime, trace)
    retrieval = yield from trace.step("retrieve", retrieve, runtime, trace, query)
    retrieval = yield from trace.step("retrieval_rails", check_retrieval, runtime, trace, retrieval)
    yield from trace.step("evidence", select, runtime, trace, retrieval)
    if reason := (yield from trace.step("answerable", weigh, runtime, trace)):
        return refused(runtime, trace, reason)
    return (yield from compose(runtime, trace, streaming=streaming, stopped=stopped))
