"""One document on the page: what is known of it, its words or pages, its original, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from ui import escape, markup
from ui.api_error import ApiError
from ui.client import Client
from ui.escape import label
from ui.session import api_url, client, own, session

PREVIEW_CHARACTERS = 20_000
"""A dozen pages of text; the original is a click away."""
PDF = "application/pdf"


def show_document(document_id: str, key: str) -> None:
    """Show one document; `key` tells its widgets from others'."""
    try:
        with client() as api:
            known = api.document(document_id)
            st.html(markup.facts_html("What is known of it", facts(known)))
            if known.get("media_type") == PDF:
                _show_page(api, known, key)
            else:
                st.html(text_html(api.document_text(document_id)))
    except ApiError as error:
        st.html(markup.callout_html("failed", "It cannot be shown", str(error)))
        return
    _offer_original(known, key)


def facts(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what an operator asks of a document."""
    rows = [
        ("Source", str(known.get("source", ""))),
        ("Collection", str(known.get("collection", ""))),
        ("Versions", ", ".join(str(row.get("version")) for row in known.get("versions") or ())),
        ("Type", str(known.get("media_type") or "unknown")),
        ("Language", str(known.get("language") or "unknown")),
        ("Characters", f"{known.get('characters', 0):,}"),
        ("sha256", str(known.get("sha256", ""))),
    ]
    if "allow" in known:
        allow = known["allow"]
        readers = "as its collection says" if allow is None else ", ".join(allow) or "the operator alone"
        rows.append(("Readers", readers))
    warnings = (known.get("report") or {}).get("warnings") or ()
    rows += [("Warning", str(warning)) for warning in warnings]
    return rows


def text_html(text: str) -> str:
    """Return the beginning of a document's text in a box that scrolls."""
    more = f'<p class="note">… {len(text) - PREVIEW_CHARACTERS:,} more characters</p>' if _is_long(text) else ""
    return f'<div class="preview" tabindex="0">{escape.text(text[:PREVIEW_CHARACTERS])}</div>{more}'


def _is_long(text: str) -> bool:
    return len(text) > PREVIEW_CHARACTERS


def _show_page(api: Client, known: Mapping[str, Any], key: str) -> None:
    pages = max(1, int(known.get("pages") or 1))
    number = (
        int(st.number_input(f"Page (of {pages})", 1, pages, 1, key=own(f"{key}-page"), width=160)) if pages > 1 else 1
    )
    with st.spinner(f"Drawing page {number} …"):
        image = api.page(str(known["id"]), number)
    if image is not None:
        caption = f"{known.get('title', '')}, page {number}"
        st.image(image, caption=label(caption), alt=caption, width="stretch")


def _offer_original(known: Mapping[str, Any], key: str) -> None:
    name = str(known.get("source", "")).rsplit("/", 1)[-1] or "document"
    st.download_button(
        f"Download {label(name)}",
        partial(_fetch, api_url(), session().key, str(known["id"]), int(known.get("version") or 1)),
        file_name=name,
        mime="application/octet-stream",
        key=f"{key}-file",
        on_click="ignore",
        icon=":material/download:",
    )


def _fetch(url: str, key: str, document_id: str, version: int) -> bytes:
    """Fetch the original once it is asked for, in a thread that knows nothing of the session."""
    with Client(url, key or None) as api:
        return api.file(document_id, version)
