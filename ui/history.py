"""The reader's conversations: begin, find, open, keep a copy, delete in the sidebar; the open one in the address."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

import streamlit as st

from ui import markup
from ui.api_error import ApiError
from ui.client import Client
from ui.escape import label
from ui.session import HISTORY_STEP, Session, Turn, api_url, client, own
from ui.wire import ConversationRow

ADDRESSED = "conversation"
"""The parameter of the page's address that names the open conversation: a reload takes it up again."""


def follow_address(state: Session) -> None:
    """Open the conversation that the address came with, then let the address name the one that is open."""
    named = st.query_params.get(ADDRESSED)
    if named and named != state.addressed and state.asking is None:
        try:
            _take_up(state, named)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                return  # without a key, or while the API is away: the address is kept for when it can be read
            st.toast("The conversation of this address is not there any more.", icon=":material/error:")
    answered = state.conversation_id is not None and any(turn.answer for turn in state.turns)
    state.addressed = state.conversation_id if answered else None
    if state.addressed is None:
        st.query_params.pop(ADDRESSED, None)
    elif state.addressed != named:
        st.query_params[ADDRESSED] = state.addressed


def show_history(state: Session) -> None:
    """List the reader's conversations; a click opens one."""
    st.button(
        "New conversation",
        icon=":material/edit_square:",
        width="stretch",
        key="new-conversation",
        on_click=state.clear,
    )
    if state.conversation_id is not None and any(turn.answer for turn in state.turns):
        _show_actions(state, state.conversation_id)
    wanted = (st.session_state.get(own("find-conversation")) or "").strip()
    try:
        with client() as api:
            listed = api.conversations(search=wanted or None, limit=state.shown_conversations + 1)
    except ApiError as error:
        if state.problem is None:  # else the same is said above the settings
            st.html(f'<p class="section">Conversations</p>{markup.offline_html(str(error))}')
        return
    if listed or wanted:
        _show_list(state, listed)


def _show_list(state: Session, listed: tuple[ConversationRow, ...]) -> None:
    st.html('<p class="section">Conversations</p>')
    st.text_input(
        "Find a conversation",
        key=own("find-conversation"),
        type="search",
        label_visibility="collapsed",
        placeholder="Find a conversation",
    )
    if not listed:
        st.caption("None says this.")
    with st.container(key="history", gap=None):
        for row in listed[: state.shown_conversations]:
            name = label(row.title or "Untitled")
            if st.button(name, key=f"conversation-{row.id}", type="tertiary", width="stretch", wrap=False):
                _open(state, row.id)
    if len(listed) > state.shown_conversations and st.button("Show more", type="tertiary", key="more-conversations"):
        state.shown_conversations += HISTORY_STEP
        st.rerun()


def _show_actions(state: Session, conversation_id: str) -> None:
    """Offer a copy of the open conversation, and its end."""
    with st.popover("This conversation", icon=":material/more_horiz:", width="stretch", type="tertiary"):
        st.download_button(
            "Download as Markdown",
            partial(_export, api_url(), state.key, conversation_id),
            file_name="conversation.md",
            mime="text/markdown",
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )
        st.caption("Deleting takes it off this list for good. The organisation's record of answers stays.")
        if not st.button("Delete it", icon=":material/delete:", width="stretch", key="delete-conversation"):
            return
        try:
            with client() as api:
                api.delete_conversation(conversation_id)
        except ApiError as error:
            st.toast(label(error), icon=":material/error:")
            return
    state.clear()
    st.toast("The conversation is deleted.", icon=":material/delete:")
    st.rerun()


def _export(url: str, key: str, conversation_id: str) -> str:
    """Fetch the copy once it is asked for, in a thread that knows nothing of the session."""
    with Client(url, key or None) as api:
        return api.export_conversation(conversation_id)


def _open(state: Session, conversation_id: str) -> None:
    try:
        _take_up(state, conversation_id)
    except ApiError as error:
        st.toast(label(error), icon=":material/error:")
        return
    st.rerun()


def _take_up(state: Session, conversation_id: str) -> None:
    with client() as api:
        turns = api.conversation(conversation_id)
    state.clear()
    state.conversation_id = conversation_id
    state.turns = [Turn(row.question, row.answer) for row in turns]
