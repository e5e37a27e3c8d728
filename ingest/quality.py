"""The quality report of one parsed document, and what sends it to quarantine."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from core.types import Verdict
from ingest.language import language
from ingest.parsed import ParsedDocument

Scan: TypeAlias = Callable[[str, str | None], tuple[Verdict, ...]]
"""What the rails say of a text that comes into a collection."""
MAX_GARBLED_SHARE = 0.2
GARBLED_WARNING = 0.01
DOUBTFUL_OCR = 0.6
"""Mean confidence of clean print is 0.9; below this every third word is wrong."""

_REPLACEMENT = re.compile("[\ufffd\ue000-\uf8ff]")


def assess(document: ParsedDocument) -> ParsedDocument:
    """Fill in a document's language and quality counts."""
    document.language = language(document.text)
    document.report["characters"] = len(document.text)
    document.report["garbled_share"] = round(garbled_share(document.text), 4)
    document.warnings += findings(document)
    return document


def findings(document: ParsedDocument) -> list[str]:
    """Return what a reader should know of how a document was read."""
    found = []
    hidden = document.report.get("hidden_text", [])
    if hidden:
        found.append(f"{len(hidden)} pieces of hidden text were left out")
    confidence = document.report.get("ocr_confidence")
    if confidence is not None and confidence < DOUBTFUL_OCR:
        found.append(f"its scanned pages were read with a confidence of only {confidence:.0%}")
    if document.report["garbled_share"] > GARBLED_WARNING:
        found.append(f"{document.report['garbled_share']:.1%} of its characters have no meaning")
    return found


def garbled_share(text: str) -> float:
    """Return the share of characters that no font mapped to a letter."""
    sample = text[:100_000]
    return len(_REPLACEMENT.findall(sample)) / len(sample) if sample else 0.0


def judge(document: ParsedDocument, scan: Scan | None, collection: str | None) -> str | None:
    """Note in the quality report what the rails say, and return why a document has to wait for a person, if it has to.

    What a rail only flags (personal data, credentials) is reported and published. The policy is the collection's.
    """
    garbled = document.report.get("garbled_share", 0.0)
    reasons = [f"garbled_text: {garbled:.0%} of the characters have no meaning"] if garbled > MAX_GARBLED_SHARE else []
    hidden = "\n".join(document.report.get("hidden_text", []))
    said: list[dict[str, str | float]] = []
    for place, text in (("text", document.text), ("hidden text", hidden)):
        for verdict in scan(text, collection) if scan and text else ():
            if verdict.action == "allow" and not verdict.reason:
                continue
            row: dict[str, str | float] = {"rail": verdict.rail, "in": place, "action": verdict.action}
            said.append(row | {"score": round(verdict.score, 3), "reason": verdict.reason})
            if verdict.action == "block":
                where = "hidden text, " if place == "hidden text" else ""
                reasons.append(f"{where}{verdict.rail}: {verdict.reason or f'score {verdict.score:.2f}'}")
    if said:
        document.report["rails"] = said
    return reasons[0] if reasons else None
