"""The output rails around an answer: what a rail changes is changed in its claims too, offsets and all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.types import Claim, Evidence, Verdict
from guardrails.rails import Rails

UNSTABLE = Verdict("output_rails", "output", "block", 1.0, 1.0, "the text could not be made safe claim by claim")
_ORDER = {"allow": 0, "flag": 1, "redact": 2, "block": 3}


@dataclass(frozen=True, slots=True)
class Released:
    """A text that may leave, its claims at their places in it, and what the rails said."""

    text: str
    claims: tuple[Claim, ...]
    verdicts: tuple[Verdict, ...]


class Gate:
    """Lets claims out one by one or an answer whole; keeps the text that has left."""

    def __init__(self, rails: Rails, evidence: Sequence[Evidence], collection: str | None) -> None:
        self._rails = rails
        self._evidence = evidence
        self._collection = collection

    def whole(self, text: str, claims: Sequence[Claim]) -> Released:
        """Check a finished answer; where a rail changes it, every claim is checked by itself."""
        checked, verdicts = self._check(text)
        if checked == text:
            return Released(text, tuple(claims), verdicts)
        return self._claim_by_claim(text, claims, verdicts)

    def one(self, claim: Claim, tail: str, before: str) -> tuple[Claim | None, str, tuple[Verdict, ...]]:
        """Check one claim that follows the text `before` and is followed by `tail` (its markers).

        Returns the claim at its place, the text up to and with it, and the verdicts; `None` and the text
        as it was where nothing of the claim may leave.
        """
        checked, verdicts = self._check(claim.text)
        if not checked.strip() or any(verdict.action == "block" for verdict in verdicts):
            return None, before, verdicts
        start = len(before)
        return replace(claim, text=checked, start=start, end=start + len(checked)), before + checked + tail, verdicts

    def _claim_by_claim(self, text: str, claims: Sequence[Claim], verdicts: tuple[Verdict, ...]) -> Released:
        """Rebuild a text from its claims as each may leave, each with the markers after it."""
        rebuilt, kept = "", []
        for claim, end in zip(claims, [*(claim.start for claim in claims[1:]), len(text)], strict=True):
            released, rebuilt, said = self.one(claim, text[claim.end : end], rebuilt)
            verdicts = strictest((*verdicts, *said))
            if released is not None:
                kept.append(released)
        rebuilt = rebuilt.rstrip()
        checked, said = self._check(rebuilt)
        verdicts = strictest((*verdicts, *said))
        if checked != rebuilt:  # what a rail takes out only shows across claims: nothing leaves
            return Released("", (), (*verdicts, UNSTABLE))
        return Released(rebuilt, tuple(kept), verdicts)

    def _check(self, text: str) -> tuple[str, tuple[Verdict, ...]]:
        return self._rails.check_output(text, self._evidence, self._collection)


def strictest(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return one verdict a rail and stage: the strictest, and of those the highest score."""
    worst: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        key = (verdict.rail, verdict.stage)
        known = worst.get(key)
        if known is None or (_ORDER[verdict.action], verdict.score) > (_ORDER[known.action], known.score):
            worst[key] = verdict
    return tuple(worst.values())
