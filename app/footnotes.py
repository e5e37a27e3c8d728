"""An answer as one plain text, its citations as footnotes: for clients that know only a text.

Such clients render it as Markdown, so what stands in a footnote passes the exit gate as an answer does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from core.types import Answer, Citation
from generation.languages import language_of, message
from guardrails.exit_gate import ExitGate

_GATE = ExitGate()
_MARKED = re.compile(r"\[\d+\] ")


def footnotes(citations: Sequence[Citation]) -> str:
    """Return one line a citation, in the order of their markers; empty without citations."""
    if not citations:
        return ""
    return "\n\n" + "\n".join(_line(citation) for citation in citations)


def with_footnotes(answer: Answer) -> str:
    """Return the text of an answer with what it leaves open and its footnotes."""
    return answer.text + left_open(answer.question, answer.unanswered) + footnotes(answer.citations)


def left_open(question: str, parts: Sequence[str]) -> str:
    """Return a paragraph that tells which parts of a question are not answered; empty where there are none."""
    if not parts:
        return ""
    told = "; ".join(f"“{neutral_line(part)}”" for part in parts)
    return "\n\n" + message("unanswered", language_of(question), parts=told)


def without_footnotes(text: str) -> str:
    """Return the text of an answer that a client sends back, as it was before footnotes were put under it."""
    before, apart, last = text.rpartition("\n\n")
    lines = last.removesuffix("\n").split("\n")
    return before if apart and all(map(_is_footnote, lines)) else text


def _is_footnote(line: str) -> bool:
    return _MARKED.match(line) is not None and "“" in line and line.endswith("”")


def quoted(citation: Citation) -> str:
    """Return the quote of a citation on one line; a mark of omission where the rails left nothing of it."""
    return f"“{' '.join(citation.quote.split()) or '…'}”"


def _line(citation: Citation) -> str:
    page = "" if citation.page is None else f", page {citation.page}"
    date = f", {citation.updated_at[:10]}" if citation.updated_at else ""
    # Each by itself: what the gate takes out of one must not take what stands between them along.
    title, source, quote = neutral_parts(citation.title, citation.source, citation.quote)
    return f"[{citation.marker}] {title} ({source}{page}{date}): {quoted(replace(citation, quote=quote))}"


def neutral_parts(title: str, source: str, quote: str) -> tuple[str, str, str]:
    """Return what a citation shows, each on one line, so that nothing is loaded or followed but the cited document."""
    parts = (title, source, quote)
    title, source, quote = (_on_one_line(part, [source], parts) for part in parts)
    return title, source, quote


def neutral_line(text: str) -> str:
    """Return words of a person, as a question, on one line, so that nothing in them is loaded or followed."""
    return _on_one_line(text, [], [text])


def _on_one_line(text: str, sources: Sequence[str], spoken: Sequence[str]) -> str:
    return _GATE.neutral(" ".join(text.split()), sources, spoken)
