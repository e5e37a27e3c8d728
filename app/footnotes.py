"""An answer as one plain text, its citations as footnotes: for clients that know only a text.

Such clients render it as Markdown, so what stands in a footnote passes the exit gate as an answer does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from core.types import Answer, Citation
from guardrails.exit_gate import ExitGate

_GATE = ExitGate()
_FOOTNOTES = re.compile(r"\n\n(?:\[\d+\] [^\n]*“[^\n]*”\n?)+\Z")


def footnotes(citations: Sequence[Citation]) -> str:
    """Return one line a citation, in the order of their markers; empty without citations."""
    if not citations:
        return ""
    return "\n\n" + "\n".join(_line(citation) for citation in citations)


def with_footnotes(answer: Answer) -> str:
    """Return the text of an answer with its footnotes."""
    return answer.text + footnotes(answer.citations)


def without_footnotes(text: str) -> str:
    """Return the text of an answer that a client sends back, as it was before footnotes were put under it."""
    return _FOOTNOTES.sub("", text)


def quoted(citation: Citation) -> str:
    """Return the quote of a citation on one line; a mark of omission where the rails left nothing of it."""
    return f"“{' '.join(citation.quote.split()) or '…'}”"


def _line(citation: Citation) -> str:
    page = "" if citation.page is None else f", page {citation.page}"
    date = f", {citation.updated_at[:10]}" if citation.updated_at else ""
    # Each by itself: what the gate takes out of one must not take what stands between them along.
    title, source, quote = (_neutral(text, citation) for text in (citation.title, citation.source, citation.quote))
    return f"[{citation.marker}] {title} ({source}{page}{date}): {quoted(replace(citation, quote=quote))}"


def _neutral(text: str, citation: Citation) -> str:
    """Return a text in which nothing is loaded or followed but the cited document itself."""
    return _GATE.neutral(text, [citation.source], [citation.title, citation.source, citation.quote])
