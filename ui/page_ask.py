"""The chat: ask, watch the answer being checked sentence by sentence, open what it rests on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from threading import Timer

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import StopException

from core.types import Answer
from ui import escape, markup
from ui.answer_view import show_turn
from ui.api_error import ApiError
from ui.client import Ask, Client
from ui.heartbeat import with_heartbeat
from ui.history import follow_address, show_history
from ui.session import Asking, Session, Turn, api_url, client, own, session
from ui.sse import ServerEvent
from ui.wire import answer_from, citation_from, claim_from

FIRST = "Checking the question"
NEXT = {
    "authorise": FIRST,
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
TOO_LONG = (
    f"This has {{:,}} characters, and a question may have {MAX_QUESTION:,}. "
    "To ask about a long text, add it as a document."
)
WELCOME = (
    "Every sentence of an answer carries the passage it rests on. Open a source to read it where it stands. "
    "When the documents do not hold the answer, you are told so."
)
BEAT_S = 0.4
"""How long the page may be deaf to its stop button while nothing comes."""
WAITED_S = 3.0
"""From when on the seconds are shown: shorter waits explain themselves."""
STOP_S = 1.0
"""How soon after a click the next run has begun, if it was not the stop button."""
STOPPED = "Stopped before it was finished."


def page(run: int) -> None:
    """Show the conversation and take the next question, in a run of the pages of that number."""
    state = session()
    try:
        _show(state)
    except StopException:  # every click ends the run like this; only the stop button begins no other
        if state.asking is not None:
            Timer(STOP_S, _stop_unless_run, (api_url(), state, state.asking, run)).start()
        raise


def _show(state: Session) -> None:
    """Draw what is known before anything is asked of the API: it may be slow, and the question is to be seen."""
    # No `max_chars`: a longer text that is pasted would vanish without a word.
    st.chat_input("Ask a question about your documents", key=own("question"), submit_mode="stop", on_submit=_take)
    if state.asking is not None and state.asking.stopped:
        _conclude_stopped(state, state.asking)
    follow_address(state)
    if not state.turns and state.asking is None:
        _show_welcome(state)
    for number, turn in enumerate(state.turns):
        show_turn(turn, f"turn-{state.conversation_id or 'new'}-{number}")
    asking, places = state.asking, _show_question(state.asking)
    with st.sidebar:
        show_history(state)
    if asking is not None and places is not None:
        _answer(state, asking, *places)
        st.rerun()


def _take() -> None:
    """Keep what was typed; this runs before the page does, which may be stopped on its way to the chat."""
    state = session()
    question = (st.session_state[own("question")] or "").strip()
    if not question:
        return
    if state.asking is not None:
        _conclude_stopped(state, state.asking)
    if len(question) > MAX_QUESTION:
        state.turns.append(Turn(question, problem=TOO_LONG.format(len(question))))
    else:
        state.asking = Asking(question)


def _show_question(asking: Asking | None) -> tuple[DeltaGenerator, DeltaGenerator] | None:
    """Show the question on its way; returns the places for how far it is and for its answer."""
    if asking is None:
        return None
    with st.chat_message("user", avatar=":material/person:"):
        st.html(f'<p class="question">{escape.text(asking.question)}</p>')
    with st.chat_message("assistant", avatar=":material/verified:"):
        progress, shown = st.empty(), st.empty()
    progress.html(_progress_html(FIRST))
    return progress, shown


def _answer(state: Session, asking: Asking, progress: DeltaGenerator, shown: DeltaGenerator) -> None:
    """Ask, or take up again what was asked, show the answer as it comes, and keep the turn."""
    turn = Turn(asking.question)
    # Named here, not by the API, so that a stream that breaks off still belongs to its conversation.
    state.conversation_id = state.conversation_id or uuid.uuid4().hex
    try:
        turn.answer = _stream(_events(client(), state, asking), asking, progress, shown)
    except ApiError as error:
        turn.problem = _problem_words(error)
    if state.asking is asking:  # else another run of the page was faster
        state.asking = None
        state.turns.append(turn)


def _events(api: Client, state: Session, asking: Asking) -> Iterator[ServerEvent]:
    """Return the events of the answer.

    They are read to their end in a thread, also while the reader looks at another page: the API goes on as long as
    somebody reads. The connection is closed there.
    """
    ask = Ask(asking.question, state.conversation_id, state.collection, state.generator)
    stream_id = asking.stream_id

    def events() -> Iterator[ServerEvent]:
        with api:
            for event in api.ask_stream(ask) if stream_id is None else api.resume_stream(stream_id):
                if asking.stopped:  # perhaps before the stream had an id by which to stop it
                    return
                yield event

    return events()


def _stream(events: Iterable[ServerEvent], asking: Asking, progress: DeltaGenerator, shown: DeltaGenerator) -> Answer:
    """Show verified sentences as they are released and return the whole answer."""
    released = Released()
    words, began = FIRST, time.monotonic()
    for event in with_heartbeat(events, BEAT_S):
        if event is None:
            progress.html(_progress_html(words, time.monotonic() - began))
            continue
        asking.stream_id = event.id.partition(":")[0] or asking.stream_id
        if event.name == "stage":
            words = NEXT.get(str(event.data.get("stage")), words)
            progress.html(_progress_html(words, time.monotonic() - began))
        elif event.name == "answer":
            return answer_from(event.data)
        elif released.take(event):
            shown.html(released.html())
    raise ApiError("The answer broke off. Please ask again.")


def _progress_html(words: str, waited_s: float = 0.0) -> str:
    """Return what is being done; the words after it are shown once the page has been stopped."""
    seconds = f" {waited_s:.0f} s" if waited_s >= WAITED_S else ""
    return (
        f'<p class="asking"><span role="status">{escape.text(words)} …</span>{seconds}</p>'
        f'<p class="stopped">{escape.text(STOPPED)}</p>'
    )


def _stop(url: str, key: str, asking: Asking) -> None:
    """Tell the API that nobody waits for this answer."""
    asking.stopped = True
    if asking.stream_id is not None:
        with suppress(ApiError), Client(url, key or None) as api:  # it may have ended already
            api.stop_stream(asking.stream_id)


def _stop_unless_run(url: str, state: Session, asking: Asking, run: int) -> None:
    """Stop an answer if no other run of the pages has begun since."""
    if state.runs == run:
        _stop(url, state.key, asking)


def _conclude_stopped(state: Session, asking: Asking) -> None:
    """Keep the turn of a question that was stopped, for certain before the next one is asked."""
    if not asking.stopped:
        _stop(api_url(), state.key, asking)
    state.asking = None
    state.turns.append(Turn(asking.question, stopped=True))


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


def _show_welcome(state: Session) -> None:
    nothing = state.me is not None and not state.collections
    words = (
        "There is no document yet that you may read. Add one on the page <em>Documents</em>." if nothing else WELCOME
    )
    st.html(f'<div class="welcome"><h1>Ask your documents</h1><p>{words}</p></div>')


def _problem_words(error: ApiError) -> str:
    return f"{error} Try again in {error.retry_after_s:.0f} s." if error.retry_after_s else str(error)
