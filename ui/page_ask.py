"""The chat: ask, watch the answer being checked sentence by sentence, open what it rests on."""

from __future__ import annotations

import uuid
from typing import Any

import streamlit as st

from core.types import Answer
from ui import escape, markup
from ui.answer_view import show_turn
from ui.client import ApiError, Ask, Client
from ui.escape import label
from ui.session import Session, Turn, client, session
from ui.sse import ServerEvent
from ui.wire import answer_from, citation_from, claim_from

NEXT = {
    "authorise": "Checking the question",
    "input_rails": "Understanding the question",
    "rewrite": "Searching the documents",
    "retrieve": "Reading the passages",
    "retrieval_rails": "Choosing the evidence",
    "evidence": "Weighing whether it holds an answer",
    "answerable": "Writing an answer",
    "generate": "Checking each sentence against its source",
    "verify": "Last checks",
}
"""What the reader is told once a stage has ended."""
MAX_QUESTION = 4000
SHOWN_CONVERSATIONS = 12


def page() -> None:
    """Show the conversation and take the next question."""
    state = session()
    with st.sidebar:
        _show_history(state)
    typed = st.chat_input("Ask a question about your documents", max_chars=MAX_QUESTION, key="question")
    question = (typed or state.pending or "").strip()
    state.pending = None
    if not state.turns and not question:
        _show_welcome()
    for number, turn in enumerate(state.turns):
        show_turn(turn, f"turn-{state.conversation_id or 'new'}-{number}")
    if question:
        _answer(state, question)
        st.rerun()


def _answer(state: Session, question: str) -> None:
    """Ask, show the answer as it comes, and keep the turn."""
    turn = Turn(question)
    with st.chat_message("user", avatar=":material/person:"):
        st.html(f'<p class="question">{escape.text(question)}</p>')
    with st.chat_message("assistant", avatar=":material/verified:"):
        # Named here, not by the API, so that a stream that breaks off still belongs to its conversation.
        state.conversation_id = state.conversation_id or uuid.uuid4().hex
        ask = Ask(question, state.conversation_id, state.collection, state.generator)
        try:
            with client() as api:
                turn.answer = _stream(api, ask)
        except ApiError as error:
            turn.problem = _problem_words(error)
    state.turns.append(turn)


def _stream(api: Client, ask: Ask) -> Answer:
    """Show verified sentences as they are released and return the whole answer."""
    progress, shown = st.empty(), st.empty()
    released = Released()
    progress.html('<p class="progress" role="status">Checking the question …</p>')
    for event in api.ask_stream(ask):
        if event.name == "stage":
            words = NEXT.get(str(event.data.get("stage") or event.data.get("name")))
            if words:
                progress.html(f'<p class="progress" role="status">{escape.text(words)} …</p>')
        elif event.name == "answer":
            progress.empty()
            return answer_from(event.data)
        elif released.take(event):
            shown.html(released.html())
    raise ApiError("The answer broke off. Please ask again.")


class Released:
    """The sentences of a stream so far."""

    def __init__(self) -> None:
        self._quotes: dict[int, str] = {}
        self._sentences: list[str] = []

    def take(self, event: ServerEvent) -> bool:
        """Take a claim or a citation; say whether there is something new to show."""
        if event.name == "citation":
            citation = citation_from(event.data)
            self._quotes[citation.marker] = citation.quote
        elif event.name == "claim":
            claim = claim_from(event.data)
            self._sentences.append(markup.claim_html(claim, claim.text, "stream", self._quotes))
            return True
        return False

    def html(self) -> str:
        """Return the sentences so far."""
        return f'<div class="answer" aria-live="polite">{" ".join(self._sentences)}</div>'


def _show_welcome() -> None:
    st.html(
        '<div class="welcome"><h1>Ask your documents</h1>'
        "<p>Every sentence of an answer carries the passage it rests on. Open a source to read it where it stands. "
        "When the documents do not hold the answer, you are told so.</p></div>"
    )


def _show_history(state: Session) -> None:
    """List the reader's conversations; a click opens one."""
    if st.button("New conversation", icon=":material/edit_square:", width="stretch", key="new-conversation"):
        state.clear()
        st.rerun()
    wanted = (st.session_state.get("find-conversation") or "").strip()
    try:
        with client() as api:
            listed = api.conversations(search=wanted or None)[:SHOWN_CONVERSATIONS]
    except ApiError as error:
        st.caption(label(error))
        return
    if not listed and not wanted:
        return
    st.html('<p class="section">Conversations</p>')
    st.text_input(
        "Find a conversation",
        key="find-conversation",
        type="search",
        label_visibility="collapsed",
        placeholder="Find a conversation",
    )
    with st.container(key="history", gap=None):
        for row in listed:
            name = label(row.title or "Untitled")
            if st.button(name, key=f"conversation-{row.id}", type="tertiary", width="stretch", wrap=False):
                _open_conversation(state, row.id)


def _open_conversation(state: Session, conversation_id: str) -> None:
    try:
        with client() as api:
            turns = api.conversation(conversation_id)
    except ApiError as error:
        st.toast(label(error), icon=":material/error:")
        return
    state.clear()
    state.conversation_id = conversation_id
    state.turns = [Turn(row.question, row.answer) for row in turns]
    st.rerun()


def _problem_words(error: ApiError) -> str:
    wait: Any = error.retry_after_s
    return f"{error} Try again in {wait:.0f} s." if wait else str(error)
