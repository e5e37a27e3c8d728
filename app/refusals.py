"""What is said when there is no answer; these are outcomes, never errors."""

from __future__ import annotations

from app.runtime import Runtime
from app.trace import Conclusion
from core.errors import GenerationError
from core.types import GeneratorName, Question, Verdict

REFUSALS = {
    "no_evidence": "I found nothing about this in the documents you may read.",
    "insufficient_evidence": "The documents I found come close but do not answer this.",
    "unsupported_draft": "I could not support an answer with the documents I found.",
}
BLOCKED = "This cannot be answered here: the {rail} rule stopped it."


def refused(runtime: Runtime, question: Question, reason: str) -> Conclusion:
    """Return the refusal of a question."""
    text = REFUSALS.get(reason, REFUSALS["unsupported_draft"])
    return Conclusion("refused", text, reason, *_generator(runtime, question))


def blocked(runtime: Runtime, question: Question, verdict: Verdict) -> Conclusion:
    """Return what is said when a rail stops a question or its answer."""
    text = BLOCKED.format(rail=verdict.rail.replace("_", " "))
    return Conclusion("blocked", text, verdict.rail, *_generator(runtime, question))


def _generator(runtime: Runtime, question: Question) -> tuple[GeneratorName, str]:
    """Return who would have answered; a model server that is down does not turn a refusal into an error."""
    generator = runtime.generator(question.generator)
    try:
        return generator.name, generator.model
    except GenerationError:
        return generator.name, "unavailable"
