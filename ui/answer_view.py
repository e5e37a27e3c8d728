"""One answer on the page: its sentences and sources, or the refusal as what it is, and what made it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.types import Answer, Citation, Verdict
from ui import escape, markup
from ui.api_error import ApiError
from ui.client import Client
from ui.escape import label
from ui.session import Turn, api_url, client, document_text, own, session

GENERATORS = {"vllm": "Written by the model server", "embedded": "Written by the built-in model", "quote": "Quoted"}
NOTICED = {
    ("indirect_injection", "flag"): "Instructions in a passage ignored",
    ("pii", "flag"): "Personal data noticed",
    ("pii", "redact"): "Personal data taken out",
    ("secrets", "flag"): "A password or key noticed",
    ("secrets", "redact"): "A password or key taken out",
    ("exit_gate", "redact"): "Made safe to display",
    ("toxicity", "flag"): "Tone noted",
}
"""What a rail did, in a reader's words; any other rail goes by its name."""
REFUSED = "Not answered"
LEFT_OPEN = "Not answered by the documents"
WITHHELD = "No longer shown"
GREETED = "What you can ask"


def show_turn(turn: Turn, key: str) -> None:
    """Show a question and what came of it; `key` tells the turn's widgets from others'."""
    with st.chat_message("user", avatar=":material/person:"):
        st.html(f'<p class="question">{escape.text(turn.question)}</p>')
    with st.chat_message("assistant", avatar=":material/verified:"):
        if turn.stopped:
            st.html(markup.callout_html("stopped", "Stopped", "You stopped this answer before it was finished."))
        if turn.problem is not None:
            st.html(markup.callout_html("failed", "No answer", turn.problem))
        if turn.answer is not None:
            # A fragment: opening a page image or rating an answer redraws this answer alone.
            st.fragment(_show_answer)(turn, turn.answer, key)


def show_answer(answer: Answer) -> None:
    """Show the outcome of one question without the widgets around it."""
    st.html(markup.badges_html(badges(answer)))
    if answer.outcome == "answered" and answer.claims:
        st.html(markup.answer_html(answer))
        with client() as api:
            st.html(_sources_html(api, answer))
        if answer.unanswered:
            st.html(markup.callout_html("refused", LEFT_OPEN, "; ".join(answer.unanswered)))
    elif answer.outcome == "answered":  # what it said rested on what the reader may not read any more
        st.html(markup.callout_html("refused", WITHHELD, answer.text))
    elif answer.outcome == "refused":
        st.html(markup.callout_html("refused", GREETED if answer.reason == "greeting" else REFUSED, answer.text))
        if answer.nearest:
            st.html(f'<p class="section">Nearest passages</p>{markup.nearest_html(answer.nearest)}')
    else:
        st.html(markup.callout_html("blocked", "This was stopped.", answer.text))
    st.html(markup.facts_html("How this came about", facts(answer)))


def badges(answer: Answer) -> list[tuple[str, str]]:
    """Return the badges over an answer: who answered, how well it is supported, what the rails flagged, the time."""
    shown: list[tuple[str, str]] = []
    if answer.claims:
        held = sum(claim.verdict == "supported" for claim in answer.claims)
        shown.append(("generator", GENERATORS.get(answer.generator, answer.generator)))
        kind = "supported" if held == len(answer.claims) else "partial"
        shown.append((kind, f"{held} of {len(answer.claims)} sentence{'s' * (len(answer.claims) != 1)} supported"))
    elif answer.outcome != "answered":
        shown.append((answer.outcome, answer.outcome.capitalize()))
    shown += [("rail", _noticed(v)) for v in answer.rails if v.action in ("flag", "redact")]
    shown.append(("time", f"{total_ms(answer) / 1000:.1f} s"))
    return shown


def facts(answer: Answer) -> list[tuple[str, str]]:
    """Return what an auditor asks of an answer."""
    rows = [("Generator", f"{answer.generator} ({answer.model})" if answer.model else answer.generator)]
    if answer.query and answer.query != answer.question:
        rows.append(("Searched for", answer.query))
    rows += [(f"Time: {stage}", f"{ms:.0f} ms") for stage, ms in answer.timings_ms.items()]
    rows += [
        (f"Rail: {_rail_name(v)} ({v.stage})", f"{v.action}, score {v.score:.2f} of {v.threshold:.2f}")
        for v in answer.rails
    ]
    rows += [("Index position", str(answer.index_seq)), ("Audit id", answer.id)]
    return rows


def total_ms(answer: Answer) -> float:
    """Return the time an answer took: the `total` of its timings, else their sum."""
    return answer.timings_ms.get("total", sum(answer.timings_ms.values()))


def _show_answer(turn: Turn, answer: Answer, key: str) -> None:
    show_answer(answer)
    if answer.outcome == "answered" and answer.citations:
        _show_originals(answer, key)
    _show_feedback(turn, answer, key)


def _sources_html(api: Client, answer: Answer) -> str:
    sources = []
    for citation in answer.citations:
        whole = document_text(api, citation.document_id, citation.version)
        sources.append(markup.citation_html(answer.id, citation, markup.passage_of(citation, whole)))
    return f'<p class="section">Sources</p><div class="sources">{"".join(sources)}</div>'


def _show_originals(answer: Answer, key: str) -> None:
    """Offer the cited pages as pictures and the original files; fetched only once opened."""
    opened = st.expander("Original pages and files", key=f"{key}-originals", on_change="rerun", type="compact")
    with opened:
        if not opened.open:
            return
        with client() as api:
            offered: set[str] = set()
            for citation in answer.citations:
                _show_original(api, citation, f"{key}-{citation.marker}", offered)


def _show_original(api: Client, citation: Citation, key: str, offered: set[str]) -> None:
    """Show the cited page, the quote highlighted on it, and offer the file once."""
    try:
        image = api.page_image(citation) if citation.page is not None else None
        if image is not None:
            caption = f"[{citation.marker}] {citation.title}, page {citation.page}"
            st.image(image, caption=label(caption), alt=caption, width="stretch")
        if citation.document_id not in offered:
            offered.add(citation.document_id)
            name = citation.source.rsplit("/", 1)[-1] or "document"
            st.download_button(
                f"Download {label(name)}",
                partial(_fetch, api_url(), session().key, citation),
                file_name=name,
                mime="application/octet-stream",
                key=f"{key}-file",
                on_click="ignore",
                icon=":material/download:",
            )
    except ApiError as error:
        st.html(markup.callout_html("failed", citation.title, str(error)))


def _fetch(url: str, key: str, citation: Citation) -> bytes:
    """Fetch the original once it is asked for, in a thread that knows nothing of the session."""
    with Client(url, key or None) as api:
        return api.file(citation.document_id, citation.version)


def _show_feedback(turn: Turn, answer: Answer, key: str) -> None:
    """Take a thumb up or down, and after a thumb down a word on what was wrong."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-rating"):
        st.html('<p class="ask-rating">Did this help?</p>', width="content")
        thumb = st.feedback("thumbs", key=own(f"{key}-thumbs"))
    if thumb is None:
        return
    helpful = bool(thumb)
    comment = ""
    if not helpful:
        comment = st.text_input("What was wrong? (optional)", key=own(f"{key}-comment"), max_chars=1000) or ""
    if turn.rated == helpful and not comment:
        return
    try:
        with client() as api:
            api.feedback(answer.id, helpful=helpful, comment=comment)
        turn.rated = helpful
        st.toast("Thank you. Noted.", icon=":material/check:")
    except ApiError as error:
        st.toast(label(error), icon=":material/error:")


def _noticed(verdict: Verdict) -> str:
    return NOTICED.get((verdict.rail, verdict.action), f"{_rail_name(verdict)}: {verdict.action}")


def _rail_name(verdict: Verdict) -> str:
    return verdict.rail.replace("_", " ")
