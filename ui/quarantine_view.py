"""Documents held back at ingestion: the operator reads each, lets it in or throws it out."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from ui import markup
from ui.api_error import ApiError
from ui.document_view import show_document
from ui.escape import label
from ui.session import client, session
from ui.wire import HeldRow

RAILS = {
    "indirect_injection": "it holds sentences that give orders to the model",
    "pii": "it holds personal data",
    "secrets": "it holds passwords or keys",
}
"""What a rail that held a document back found in it."""


def show_quarantine() -> None:
    """List what waits for a review; nothing where nothing waits."""
    try:
        with client() as api:
            held = api.quarantine()
    except ApiError as error:
        st.html(markup.callout_html("failed", "What waits for a review cannot be listed", str(error)))
        return
    if held:
        st.html(
            f'<p class="section">Held for review: {len(held)} <span class="quiet">Nothing is answered from them until '
            "you let them in.</span></p>"
        )
    for row in held:
        _show_held(row)


def held_words(reason: str) -> str:
    """Return the reason a document is held for, as a person would say it."""
    rail = reason.partition(":")[0]
    return RAILS.get(rail) or reason.replace("_", " ") or "no reason was kept"


def _show_held(row: HeldRow) -> None:
    key = f"held-{row.id}"
    opened = st.expander(label(row.title or row.source), icon=":material/front_hand:", key=key, on_change="rerun")
    with opened:
        if not opened.open:
            return
        st.html(markup.callout_html("refused", "Why it is held", held_words(row.reason)))
        if row.version_before:
            st.caption(
                f"This is an update. Thrown out, version {row.version_before} is answered from again; until you "
                "decide, neither is."
            )
        show_document(row.id, key)
        with st.container(horizontal=True):
            if st.button("Let it in", type="primary", icon=":material/check:", key=f"{key}-release"):
                _review(row, "release", "Let in: it is answered from now on.")
            if st.button("Throw it out for good", icon=":material/delete:", key=f"{key}-reject"):
                again = f": version {row.version_before} stands again" if row.version_before else ""
                _review(row, "reject", f"Thrown out{again}.")


def _review(row: HeldRow, verdict: Literal["release", "reject"], done: str) -> None:
    try:
        with client() as api:
            api.review(row.id, verdict)
    except ApiError as error:
        st.html(markup.callout_html("failed", "Not done", str(error)))
        return
    session().documents_changed()
    st.toast(done, icon=":material/check:")
    st.rerun()
