"""What becomes of a draft: re-cite, then remove or mark, then quote instead, then refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Draft, Evidence, GeneratorName, Message
from generation.answerable import Answerability
from generation.generators import Generator, write_draft
from generation.verify import Verified, Verifier


@dataclass(frozen=True, slots=True)
class Settled:
    """The draft that is answered with, and what is left of it; `verified.reason` set means refuse."""

    draft: Draft
    verified: Verified


def settle(
    question: str,
    draft: Draft,
    evidence: Sequence[Evidence],
    *,
    verifier: Verifier,
    quote: Generator,
    answerability: Answerability,
    history: Sequence[Message] = (),
) -> Settled:
    """Return the draft where some of it holds, the verbatim quotes where none does.

    The verifier re-cites and removes or marks claims. A model that says the passages do not answer is believed where
    it may be (`insufficient_evidence`); a draft of which nothing holds gives way to quotes, and a quote answer that
    does not hold is refused (`unsupported_draft`).
    """
    verified = verifier.verify(question, draft, evidence)
    if verified.reason is None or draft.generator == "quote":
        return Settled(draft, verified)
    declined = verified.reason == "insufficient_evidence"
    if declined and believed(draft.generator, question, evidence, answerability, history):
        return Settled(draft, verified)
    quoted = write_draft(quote, question, evidence, history)
    return Settled(quoted, verifier.verify(question, quoted, evidence))


def believed(
    generator: GeneratorName,
    question: str,
    evidence: Sequence[Evidence],
    answerability: Answerability,
    history: Sequence[Message] = (),
) -> bool:
    """Whether a generator is believed when it declines: the small embedded model not where the evidence is sure.

    It declines every third question that has an answer.
    """
    return generator != "embedded" or not answerability.sure(question, evidence, history)
