"""The output rails around an answer: what a rail changes is changed in its claims too, offsets and all.

A passage shown beside it is a document's own words at their place: of those, no rail changes any; it narrows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TypeAlias

from core.sentences import split_sentences
from core.types import Claim, Evidence, Verdict
from guardrails.policy import ACTIONS
from guardrails.rails import Rails

UNSTABLE = Verdict("output_rails", "output", "block", 1.0, 1.0, "the text could not be made safe claim by claim")
PIECES = 4
"""Pieces of a passage tried at most, the longest first: what is left after that says little."""
Span: TypeAlias = tuple[int, int]
_WORD = re.compile(r"\w+")


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

    def quotable(self, passages: Sequence[str]) -> tuple[list[Span], tuple[Verdict, ...]]:
        """Return the part of each passage that may be shown word for word, and the verdicts on what may not.

        Where a rail would redact or block, that is the longest piece without the finding; empty where there is none.
        """
        spans = [(0, len(passage)) for passage in passages]
        if not passages or not _taking(self._check("\n\n".join(passages))[1]):  # once for all: seldom is anything found
            return spans, ()
        said: list[Verdict] = []
        for row, passage in enumerate(passages):
            checked, verdicts = self._check(passage)
            if found := _taking(verdicts):
                pieces = _pieces(passage, checked, found)
                spans[row] = next((piece for piece in pieces if not self._takes_from(passage, piece)), (0, 0))
                said += (replace(verdict, action="redact") for verdict in found)  # the answer itself is not blocked
        return spans, strictest(said)

    def _takes_from(self, passage: str, piece: Span) -> bool:
        return bool(_taking(self._check(passage[slice(*piece)])[1]))

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


def _taking(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that keep text back; the exit gate's do not: a passage is shown as text, never rendered."""
    return [verdict for verdict in verdicts if verdict.action in ("redact", "block") and verdict.rail != "exit_gate"]


def _pieces(passage: str, checked: str, found: Sequence[Verdict]) -> list[Span]:
    """Return pieces that may be free of what was found, longest first: what a redaction left, or sentences."""
    if any(verdict.action == "block" for verdict in found):
        pieces = split_sentences(passage)
    else:
        blocks = SequenceMatcher(None, passage, checked, autojunk=False).get_matching_blocks()
        pieces = [span for block in blocks if (span := _whole_words(passage, block.a, block.a + block.size))]
    return sorted(pieces, key=lambda piece: piece[0] - piece[1])[:PIECES]


def _whole_words(text: str, start: int, end: int) -> Span | None:
    """Return a span without the words it holds in part: letters of a finding may be those of what replaced it."""
    spans = [word.span() for word in _WORD.finditer(text, max(0, start - 1), end + 1)]
    whole = [span for span in spans if start <= span[0] and span[1] <= end]
    return (whole[0][0], whole[-1][1]) if whole else None


def strictest(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return one verdict a rail and stage: the strictest, and of those the highest score."""
    worst: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        key = (verdict.rail, verdict.stage)
        known = worst.get(key)
        if known is None or _strictness(verdict) > _strictness(known):
            worst[key] = verdict
    return tuple(worst.values())


def _strictness(verdict: Verdict) -> tuple[int, float]:
    return ACTIONS.index(verdict.action), verdict.score
