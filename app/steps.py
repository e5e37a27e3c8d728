"""The steps of the pipeline between the question and its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.runtime import Runtime
from app.trace import Trace
from core.errors import InvalidInput, NotFound
from core.settings import Settings
from core.types import Evidence, Json, Query, Question, Retrieval, Style, Verdict
from guardrails.policy import PRIVATE


def require_task(settings: Settings, style: Style) -> None:
    """Refuse a task that nothing could draft under, whoever drafts: an answer without it would look like one with it.

    What only a model server holds cannot be looked up here; the settings name it then.

    Raises:
        InvalidInput: the style names a task that is neither on this machine nor in the settings.
    """
    from generation.tasks import NONE, find_task

    generation = settings.generation
    named = (NONE, "auto", generation.task, *generation.collection_tasks.values())
    if style.task is None or style.task in named:
        return
    try:
        find_task(style.task, settings.home)
    except NotFound as error:
        hint = "one that only a model server holds must be named in generation.task or generation.collection_tasks"
        raise InvalidInput(f"{error}; {hint}") from error


def check_input(runtime: Runtime, question: Question) -> tuple[Verdict, ...]:
    """Let the input rails look at the question."""
    return runtime.rails.check_input(question.text, question.filters.collection)


def redact(runtime: Runtime, trace: Trace, verdicts: Sequence[Verdict]) -> None:
    """Take out of what was said what the policy takes out, before anything else sees or keeps it."""
    question, collection = trace.question, trace.question.filters.collection
    if any(v.action == "redact" or (v.action == "block" and v.rail in PRIVATE) for v in verdicts):
        question = replace(question, text=runtime.rails.redact_input(question.text, collection))
    if question.history and runtime.rails.redacts_input(collection):  # a client's messages passed no rail before
        said = (runtime.rails.redact_input(message.content, collection) for message in question.history)
        history = (replace(message, content=text) for message, text in zip(question.history, said, strict=True))
        question = replace(question, history=tuple(history))
    trace.question = question


def rewrite_question(runtime: Runtime, trace: Trace) -> Query:
    """Make a follow-up stand alone."""
    from generation.rewrite import rewrite

    trace.query = rewrite(trace.question, runtime.generator(trace.question.generator))
    return trace.query


def retrieve(runtime: Runtime, trace: Trace, query: Query) -> Retrieval:
    """Find the passages the principal may read."""
    question = trace.question
    retrieval = runtime.retriever.retrieve(
        query, question.principal, filters=question.filters, k=question.k, min_seq=question.min_seq
    )
    trace.hits = retrieval.hits
    trace.index_seq = retrieval.index_seq
    return retrieval


def check_retrieval(runtime: Runtime, trace: Trace, retrieval: Retrieval) -> Retrieval:
    """Leave out the passages that a rail keeps from the model."""
    hits, verdicts = runtime.rails.check_retrieval(retrieval.hits, trace.question.filters.collection)
    trace.judged(verdicts)
    trace.hits = hits
    return replace(retrieval, hits=hits)


def select(runtime: Runtime, trace: Trace, retrieval: Retrieval) -> tuple[Evidence, ...]:
    """Choose what the generator sees."""
    from generation.evidence import select_evidence
    from generation.generators import counter_of
    from retriever.authorise import tables_that_go_on

    generator = runtime.generator(trace.question.generator, trace.question.style)
    chosen = select_evidence(retrieval, runtime.settings, counter_of(generator))
    with runtime.database.read() as session:
        trace.evidence = tables_that_go_on(session, chosen)
    return trace.evidence


def judges_in_force(runtime: Runtime) -> Json:
    """Return what weighs evidence and claims: readers, calibration, threshold and verifier."""
    return runtime.answerability.judges | {"verifier": runtime.verifier.revision}


def weigh(runtime: Runtime, trace: Trace) -> str | None:
    """Say why the evidence cannot hold an answer, `None` where it may."""
    trace.judges = judges_in_force(runtime)
    history = trace.question.history
    reason = runtime.answerability.reason(trace.standalone, trace.evidence, history)
    if reason == "insufficient_evidence" and _may_stand_alone(trace):
        # A short question in a conversation may be a new one, which the words it was lent only blur.
        reason = runtime.answerability.reason(trace.question.text, trace.evidence, history)
        if reason is None and trace.query is not None:
            trace.query = replace(trace.query, text=trace.question.text)
    return _weigh_parts(runtime, trace) if reason == "insufficient_evidence" else reason


def _weigh_parts(runtime: Runtime, trace: Trace) -> str | None:
    """Go on with the parts of a question that the evidence may answer, where there are any; tell the others."""
    from generation.parts import told_parts

    history = trace.question.history
    parts = told_parts(trace.standalone, history)
    judge = runtime.answerability
    held = [len(parts) > 1 and judge.reason(read, trace.evidence, history) is None for _, read in parts]
    if not any(held):
        return "insufficient_evidence"
    trace.asked = " ".join(f"{read.rstrip('?')}?" for (_, read), answered in zip(parts, held, strict=True) if answered)
    trace.unanswered = tuple(asked for (asked, _), answered in zip(parts, held, strict=True) if not answered)
    return None


def _may_stand_alone(trace: Trace) -> bool:
    """Whether a question was lent words of the conversation though no word of it says that it is about them."""
    from generation.rewrite import points_back

    return trace.standalone != trace.question.text and not points_back(trace.question.text)
