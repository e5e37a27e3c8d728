"""Retrieval testing: what a search finds, what each index gave it, and where a document was lost."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.types import Mode
from ui import escape, markup
from ui.api_error import ApiError
from ui.client import Client, SearchRequest
from ui.session import client, own, session
from ui.wire import HitRow

MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
MAX_K = 50
EXPLAINED_AS = "As searched above; the reranker is that of the settings."


def page() -> None:
    """Take a search and show its passages with their scores."""
    st.html(
        '<h1 class="page-title">Retrieval</h1><p class="lead">What a question finds before anything is written.</p>'
    )
    with st.form("search", border=False):
        query = st.text_input("Search for", key=own("search-query"), placeholder="annual leave carry over")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            mode = st.segmented_control(
                "Mode",
                MODES,
                default="hybrid",
                key=own("search-mode"),
                help="dense: by meaning. lexical: by words. hybrid: both, fused.",
            )
            k = st.number_input("Passages", 1, MAX_K, 10, key=own("search-k"), width=130)
            rerank = st.toggle("Rerank", key=own("search-rerank"), help="Needs a reranker in the settings.")
            st.form_submit_button("Search", type="primary", icon=":material/search:")
    if not query.strip():
        return
    request = SearchRequest(query.strip(), int(k), mode or "hybrid", bool(rerank), session().collection)
    with client() as api:
        if _show_hits(api, request):
            _show_explain(api, request)


def _show_hits(api: Client, request: SearchRequest) -> bool:
    """Show what a search finds; say whether there was one."""
    try:
        result = api.search(request)
    except ApiError as error:
        st.html(markup.callout_html("failed", "No search", str(error)))
        return False
    times = " · ".join(f"{escape.text(stage)} {ms:.0f} ms" for stage, ms in result.timings_ms.items())
    st.html(f'<p class="section">{len(result.hits)} passages <span class="quiet">{times}</span></p>')
    if not result.hits:
        st.html('<p class="empty">Nothing found that you may read.</p>')
    st.html(f'<ol class="hits">{"".join(hit_html(hit) for hit in result.hits)}</ol>')
    return True


def hit_html(hit: HitRow) -> str:
    """Return one passage with its scores; an index that did not see it shows a dash."""
    named = (("dense", hit.scores.dense), ("lexical", hit.scores.lexical), ("fused", hit.scores.fused))
    scores = "".join(_score_html(name, value) for name, value in (*named, ("rerank", hit.scores.rerank)))
    return (
        f'<li><details class="source"><summary><span class="marker">{hit.rank}</span>'
        f'<span class="title">{escape.text(hit.title)}</span>{markup.place_html(hit.source, hit.page)}'
        f'<span class="scores">{scores}</span></summary><div class="passage">{escape.text(hit.text)}</div>'
        f'<p class="note">characters {hit.start}–{hit.end} · document {escape.text(hit.document_id)}</p></details></li>'
    )


def _score_html(name: str, value: float | None) -> str:
    shown = "–" if value is None else f"{value:.4g}"
    return f'<span class="score{" none" if value is None else ""}"><b>{name}</b> {shown}</span>'


def _show_explain(api: Client, request: SearchRequest) -> None:
    """Ask where a document was lost that should have been found."""
    st.html('<p class="section">Missing a document?</p>')
    try:
        documents = {d.id: f"{d.title} · {escape.short_source(d.source)}" for d in api.documents(request.collection)}
    except ApiError as error:
        st.html(markup.callout_html("failed", "The documents cannot be listed", str(error)))
        return
    chosen = st.selectbox(
        "Say where this document was lost for this question",
        list(documents),
        index=None,
        format_func=lambda key: documents[key],
        key=own("explain-document"),
    )
    if chosen is None:
        return
    st.caption(EXPLAINED_AS)
    try:
        st.html(explanation_html(api.explain(request, chosen)))
    except ApiError as error:
        st.html(markup.callout_html("failed", "No explanation", str(error)))


def explanation_html(explanation: dict[str, Any]) -> str:
    """Return where a document was lost and the ranks it had until then."""
    ranks = explanation.get("ranks") or {}
    rows = "".join(f"<dt>{escape.text(name)}</dt><dd>{escape.text(_rank(rank))}</dd>" for name, rank in ranks.items())
    body = markup.callout_html("explained", str(explanation.get("stage", "")), str(explanation.get("detail", "")))
    return f'{body}<dl class="ranks">{rows}</dl>'


def _rank(rank: object) -> str:
    return "not ranked" if rank is None else str(rank)
