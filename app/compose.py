"""From evidence to a conclusion: generate (or quote), cite and verify each claim, output rails."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from app.citations import Locator
from app.events import Event
from app.gate import Gate
from app.refusals import blocked, refused
from app.runtime import Runtime
from app.trace import STOPPED, Conclusion, Trace
from app.writing import Writing
from core.types import Citation, Claim, GeneratorName


def compose(
    runtime: Runtime, trace: Trace, *, streaming: bool, stopped: Callable[[], bool]
) -> Generator[Event, None, Conclusion | None]:
    """Draft, verify and release an answer; `None` where the reader stopped it before anything had left."""
    if streaming:
        return (yield from _claim_by_claim(runtime, trace, stopped))
    return (yield from _whole(runtime, trace, stopped))


def _whole(runtime: Runtime, trace: Trace, stopped: Callable[[], bool]) -> Generator[Event, None, Conclusion | None]:
    """Draft the whole answer, check it, and release it in one piece; `None` where it was stopped."""
    from generation.generators import write_draft
    from generation.settle import settle

    question, evidence = trace.question, trace.evidence
    generator, quote = runtime.generator(question.generator, question.style), runtime.generator("quote")
    asked = trace.asked_of(generator.name)
    draft = yield from trace.step(
        "generate", write_draft, generator, asked, evidence, question.history, stopped=stopped
    )
    if stopped():
        return None
    settled = yield from trace.step(
        "verify",
        settle,
        trace.standalone,
        draft,
        evidence,
        verifier=runtime.verifier,
        quote=quote,
        answerability=runtime.answerability,
        history=question.history,
    )
    if settled.verified.reason is not None:
        return refused(runtime, trace, settled.verified.reason)
    gate = Gate(runtime.rails, evidence, question.filters.collection)
    released = yield from trace.step("output_rails", gate.whole, settled.verified.text, settled.verified.claims)
    if blocking := trace.judged(released.verdicts):
        return blocked(runtime, trace, blocking)
    citations = yield from trace.step("locate", Locator(runtime, trace).locate, settled.verified.citations)
    return _concluded(runtime, trace, settled.draft.generator, (released.text, released.claims, citations))


def _claim_by_claim(
    runtime: Runtime, trace: Trace, stopped: Callable[[], bool]
) -> Generator[Event, None, Conclusion | None]:
    """Release each claim once it is verified and past the rails; quote where no claim of a draft holds."""
    from generation.settle import believed

    question = trace.question
    chosen = runtime.generator(question.generator, question.style)
    for drafter in (chosen, runtime.generator("quote")):
        writing = Writing(runtime, trace, drafter, stopped)
        yield from writing.events()
        if stopped():
            return _stopped(runtime, trace, writing, drafter.name)
        if blocking := trace.judged(writing.verdicts):
            return blocked(runtime, trace, blocking)
        if writing.claims:
            return _concluded(runtime, trace, drafter.name, (writing.text, writing.claims, writing.citations))
        if drafter.name == "quote":
            break
        judge = runtime.answerability
        if writing.declined and believed(drafter.name, trace.standalone, trace.evidence, judge, question.history):
            return refused(runtime, trace, "insufficient_evidence")
    return refused(runtime, trace, "unsupported_draft")


def _stopped(runtime: Runtime, trace: Trace, writing: Writing, generator: GeneratorName) -> Conclusion | None:
    """Return what had left when the reader stopped the answer, so that it is recorded; `None` where nothing had."""
    if not writing.claims:
        return None
    trace.judged(writing.verdicts)
    concluded = _concluded(runtime, trace, generator, (writing.text, writing.claims, writing.citations))
    return replace(concluded, reason=STOPPED)


def _concluded(
    runtime: Runtime,
    trace: Trace,
    generator: GeneratorName,
    released: tuple[str, Sequence[Claim], Sequence[Citation]],
) -> Conclusion:
    """Return the answer that was released, with the citations its claims still need; refuse where none holds."""
    text, claims, citations = released
    present = {citation.marker for citation in citations}
    if not any(present & set(claim.citations) for claim in claims):
        return refused(runtime, trace, "unsupported_draft")
    used = {marker for claim in claims for marker in claim.citations}
    kept = tuple(citation for citation in citations if citation.marker in used)
    model = runtime.generator("quote" if generator == "quote" else trace.question.generator).model
    return Conclusion("answered", text, None, generator, model, tuple(claims), kept)
