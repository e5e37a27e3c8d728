"""What happens while a question is answered, in the order in which it happens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TypeAlias

from core.types import Answer, Citation, Claim, Json


@dataclass(frozen=True, slots=True)
class StageDone:
    """A step of the pipeline ended after `ms` milliseconds."""

    name: str
    ms: float


@dataclass(frozen=True, slots=True)
class ClaimReleased:
    """A claim that was verified and passed the output rails, and the text it adds to the answer."""

    claim: Claim
    added: str


@dataclass(frozen=True, slots=True)
class CitationReleased:
    """The passage behind a marker of a released claim; sent once, before the claim."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class DraftPiece:
    """A piece of a draft nobody has verified yet; sent only where `answers.stream_unverified` asks for it."""

    text: str


@dataclass(frozen=True, slots=True)
class Concluded:
    """The whole answer; always the last event."""

    answer: Answer


Event: TypeAlias = StageDone | DraftPiece | ClaimReleased | CitationReleased | Concluded


def event_name(event: Event) -> str:
    """Return the name an event carries on the wire."""
    match event:
        case StageDone():
            return "stage"
        case DraftPiece():
            return "draft"
        case ClaimReleased():
            return "claim"
        case CitationReleased():
            return "citation"
        case Concluded():
            return "answer"


def event_json(event: Event) -> Json:
    """Return the data an event carries on the wire."""
    match event:
        case StageDone():
            return {"stage": event.name, "ms": event.ms}
        case DraftPiece():
            return {"text": event.text}
        case ClaimReleased():
            return {**asdict(event.claim), "added": event.added}
        case CitationReleased():
            return asdict(event.citation)
        case Concluded():
            return event.answer.to_json()
