"""The HTML of answers and passages. Every value goes through `escape.text`; only this module writes tags.

A marker in an answer links to the passage it stands for. The passage lies in a closed `<details>`, which the
browser opens when a link leads into it, so a citation opens without a round trip and works from the keyboard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Answer, Citation, Claim, NearestPassage
from ui.escape import short_source, text

SURROUNDINGS = 420
"""Characters shown on each side of a quote: about a paragraph."""
PREVIEW = 220
"""Characters of a quote in the tooltip of its marker."""

_MARKER = re.compile(r"\[(\d{1,3})\]")
_VERDICTS = {
    "supported": "The passage supports this sentence",
    "partial": "The passage supports part of this sentence",
    "unsupported": "No passage supports this sentence",
}


@dataclass(frozen=True, slots=True)
class Passage:
    """A quote with the text on both sides; `changed` when the document no longer holds it there."""

    before: str
    quote: str
    after: str
    changed: bool = False


def passage_of(citation: Citation, document_text: str | None) -> Passage:
    """Cut a citation's surroundings out of its document, at white space; without them, the quote stands alone."""
    if document_text is None or document_text[citation.start : citation.end] != citation.quote:
        return Passage("", citation.quote, "", changed=document_text is not None)
    start = max(0, citation.start - SURROUNDINGS)
    end = min(len(document_text), citation.end + SURROUNDINGS)
    before, after = document_text[start : citation.start], document_text[citation.end : end]
    if start > 0:
        before = "… " + before.partition(" ")[2].lstrip()
    if end < len(document_text):
        after = after.rpartition(" ")[0].rstrip() + " …"
    return Passage(before, citation.quote, after)


def answer_html(answer: Answer) -> str:
    """Return the answer's sentences, each marker a link to its passage."""
    quotes = {citation.marker: citation.quote for citation in answer.citations}
    parts, position = [], 0
    for claim in sorted(answer.claims, key=lambda claim: claim.start):
        if claim.start < position:
            continue  # overlapping claims: the first one wins
        parts.append(_with_markers(answer.text[position : claim.start], answer.id, quotes))
        parts.append(claim_html(claim, answer.text[claim.start : claim.end], answer.id, quotes))
        position = claim.end
    parts.append(_with_markers(answer.text[position:], answer.id, quotes))
    return f'<div class="answer">{"".join(parts)}</div>'


def claim_html(claim: Claim, shown: str, answer_id: str, quotes: dict[int, str]) -> str:
    """Return one sentence, marked when its support is not whole."""
    body = _with_markers(shown, answer_id, quotes)
    if claim.verdict == "supported":
        return body
    return f'<span class="claim {text(claim.verdict)}" title="{text(_VERDICTS[claim.verdict])}">{body}</span>'


def citation_html(answer_id: str, citation: Citation, passage: Passage) -> str:
    """Return one source: a line that opens to the passage in its surroundings."""
    anchor = _anchor(answer_id, citation.marker)
    return (
        f'<details class="source"><summary><span class="marker">{citation.marker}</span>'
        f'<span class="title">{text(citation.title)}</span>{place_html(citation.source, citation.page)}</summary>'
        f'<div class="passage">{text(passage.before)}<mark id="{anchor}">{text(passage.quote)}</mark>'
        f'{text(passage.after)}</div><p class="note">{_provenance(citation, passage)}</p></details>'
    )


def nearest_html(nearest: Sequence[NearestPassage]) -> str:
    """Return the passages that came closest to a refused question."""
    rows = []
    for passage in nearest:
        rows.append(
            f'<details class="source near"><summary><span class="title">{text(passage.title)}</span>'
            f"{place_html(passage.source, passage.page)}</summary>"
            f'<div class="passage">{text(passage.text)}</div></details>'
        )
    return "".join(rows)


def place_html(source: str, page: int | None = None) -> str:
    """Return where something stands: the end of its path, and its page where there are pages."""
    shown = text(short_source(source)) if page is None else f"{text(short_source(source))} · page {page}"
    return f'<span class="place" title="{text(source)}">{shown}</span>'


def badges_html(badges: Sequence[tuple[str, str]]) -> str:
    """Return a line of (kind, words) badges; a kind is a style of the sheet."""
    spans = (f'<span class="badge {text(kind)}">{text(words)}</span>' for kind, words in badges)
    return f'<p class="badges">{"".join(spans)}</p>'


def callout_html(kind: str, title: str, body: str) -> str:
    """Return a framed message; `kind` is `refused`, `blocked`, `failed`, `explained` or `stopped`."""
    return (
        f'<div class="callout {text(kind)}" role="status"><p class="callout-title">{text(title)}</p>'
        f"<p>{text(body)}</p></div>"
    )


def offline_html(problem: str) -> str:
    """Return why the API did not answer, for the narrow side of a page."""
    return f'<p class="offline" role="alert">{text(problem)}</p>'


def facts_html(summary: str, facts: Sequence[tuple[str, str]]) -> str:
    """Return a closed list of named facts."""
    terms = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in facts)
    return f'<details class="facts"><summary>{text(summary)}</summary><dl>{terms}</dl></details>'


def _provenance(citation: Citation, passage: Passage) -> str:
    facts = [f"characters {citation.start}–{citation.end}", f"version {citation.version}"]
    if citation.updated_at:
        facts.append(f"read {text(citation.updated_at[:10])}")
    facts.append(f"{text(citation.verdict)}, score {citation.score:.2f}")
    if citation.also_in:
        facts.append("also in " + ", ".join(text(source) for source in citation.also_in))
    if passage.changed:
        facts.append("<strong>the document has changed since this answer</strong>")
    return " · ".join(facts)


def _with_markers(shown: str, answer_id: str, quotes: dict[int, str]) -> str:
    """Escape a piece of an answer and turn the markers of its citations into links."""
    parts, position = [], 0
    for match in _MARKER.finditer(shown):
        marker = int(match[1])
        if marker not in quotes:
            continue
        parts.append(text(shown[position : match.start()]))
        parts.append(
            f'<a class="marker" href="#{_anchor(answer_id, marker)}" title="{text(_short(quotes[marker]))}" '
            f'aria-label="Open source {marker}">{marker}</a>'
        )
        position = match.end()
    parts.append(text(shown[position:]))
    return "".join(parts)


def _anchor(answer_id: str, marker: int) -> str:
    return f"source-{re.sub(r'[^A-Za-z0-9]', '', answer_id)[:40]}-{marker}"


def _short(quote: str) -> str:
    flat = " ".join(quote.split())
    return flat if len(flat) <= PREVIEW else flat[: PREVIEW - 1] + "…"
