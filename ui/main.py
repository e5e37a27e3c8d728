"""The entry of the pages. Run: `attest ui`, or `streamlit run ui/main.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import escape, markup, page_ask, page_documents, page_playground, page_search, page_system
from ui.session import GENERATORS, KEY_FIELD, Session, api_url, look, own, session, sign_in

ALL = "All collections"
SHAPE = (
    '<rect x="1" y="3" width="26" height="26" rx="7" fill="#0b6e5f"/><path d="M8 16.5l4.2 4.2L20.5 11" fill="none"'
    ' stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>'
)
ICON = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 0 32 32" width="64" height="64">{SHAPE}</svg>'
"""Drawn here: Streamlit fetches a Material icon of the tab from the network."""
LOGO = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 32" width="128" height="32">{SHAPE}<text x="36" y="23"'
    ' font-family="Helvetica, Arial, sans-serif" font-size="20" font-weight="700" fill="#148571">Attest</text></svg>'
)
STYLE = Path(__file__).with_name("style.css")


def main() -> None:
    """Draw the frame and the chosen page."""
    st.set_page_config(page_title="Attest", page_icon=ICON, layout="centered")
    st.logo(LOGO, size="large")
    st.html(STYLE)
    state = session()
    state.runs += 1
    run = state.runs  # a click begins the next run before this one has ended
    if state.asking is None or state.asking.stream_id is not None:  # a question just asked does not wait for this
        look()
    pages = [
        st.Page(lambda: page_ask.page(run), title="Ask", icon=":material/forum:", url_path="ask", default=True),
        st.Page(page_documents.page, title="Documents", icon=":material/description:", url_path="documents"),
        st.Page(page_search.page, title="Retrieval", icon=":material/manage_search:", url_path="retrieval"),
        st.Page(page_playground.page, title="Playground", icon=":material/compare:", url_path="playground"),
        st.Page(page_system.page, title="System", icon=":material/shield:", url_path="system"),
    ]
    chosen = st.navigation(pages)
    with st.sidebar:
        if state.problem is not None:
            st.html(markup.offline_html(state.problem))
        _show_settings(state, opened=state.problem is not None)
    chosen.run()


def _show_settings(state: Session, *, opened: bool) -> None:
    """Let the reader choose the collection and the generator, and give a key."""
    with st.expander("Settings", expanded=opened, icon=":material/tune:", key="settings", type="compact"):
        options = [ALL, *state.collections]
        chosen = st.selectbox("Collection", options, key=own("collection"))
        state.collection = None if chosen == ALL else chosen
        state.generator = st.selectbox(
            "Answers by", list(GENERATORS), format_func=lambda choice: GENERATORS[choice], key=own("generator")
        )
        key = st.text_input(
            "API key",
            type="password",
            key=KEY_FIELD,
            autocomplete="off",
            help="Kept in this browser session only. Not needed where the API has no keys.",
        )
        key = key.strip()  # what is copied often brings a space along
        if key != state.key:
            sign_in(key)
            st.rerun()
        who = "" if state.me is None else f"You are {state.me.principal}. "
        st.html(f'<p class="quiet">{escape.text(who)}API: {escape.text(api_url())}</p>')


main()
