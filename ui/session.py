"""What one browser session holds: the connection to the API, the collection, the open conversation.

Nothing is cached across sessions: two readers with different keys never see each other's documents.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import cast

import streamlit as st

from core.types import Answer, GeneratorChoice
from ui.api_error import ApiError
from ui.client import Client
from ui.wire import Me, RunRow

API_URL_VARIABLE = "ATTEST_UI__API_URL"
"""The setting `ui.api_url`, as the launcher hands it to this process."""
DEFAULT_API_URL = "http://127.0.0.1:8000"
KEY_FIELD = "api-key"
"""The name of the field for the key."""
LOOK_S = 30.0
"""How old what is known of the reader may be."""
NEVER = float("-inf")
HISTORY_STEP = 12
"""Conversations shown at first, and added by each click on more."""
GENERATORS: dict[GeneratorChoice, str] = {
    "auto": "As configured",
    "vllm": "Model server (vLLM)",
    "embedded": "Built-in model",
    "quote": "Quotes only",
}
"""What each way of answering is called on the pages."""
KEPT_TEXTS = 16
"""Document texts kept for citations that are open on the page."""


@dataclass
class Turn:
    """A question of this session with its answer, or with what went wrong."""

    question: str
    answer: Answer | None = None
    problem: str | None = None
    stopped: bool = False
    rated: bool | None = None


@dataclass
class Asking:
    """A question on its way; the stream's id is known from its first event on."""

    question: str
    stream_id: str | None = None
    stopped: bool = False


@dataclass
class Upload:
    """A file of this session on its way into the knowledge base."""

    name: str
    run_id: str | None
    run: RunRow | None = None
    problem: str | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.problem is not None or (self.run is not None and self.run.finished)


@dataclass
class Session:
    """The state of one reader."""

    key: str = ""
    reader: int = 0
    """Counts those who gave a key in this browser session."""
    collection: str | None = None
    generator: GeneratorChoice = "auto"
    conversation_id: str | None = None
    addressed: str | None = None
    """The conversation that the page's address was last made to name."""
    turns: list[Turn] = field(default_factory=list)
    asking: Asking | None = None
    """The question that is being answered, also while the reader looks at another page."""
    runs: int = 0
    """Runs of the pages so far. Every click begins one and ends the one before; the stop button only ends it."""
    shown_conversations: int = HISTORY_STEP
    uploads: list[Upload] = field(default_factory=list)
    upload_form: int = 0
    """Counts the forms sent; a new number gives the file field a new, empty self."""
    texts: OrderedDict[tuple[str, int | None], str | None] = field(default_factory=OrderedDict)

    compared: tuple[Answer | str, ...] = ()
    """The playground's last answers, or what went wrong with them."""
    me: Me | None = None
    collections: tuple[str, ...] = ()
    looked_at: float = NEVER
    """When `me` and `collections` were read."""
    problem: str | None = None
    """Why they could not be read last."""

    def clear(self) -> None:
        """Start a new conversation."""
        self.conversation_id, self.turns, self.asking = None, [], None

    def documents_changed(self) -> None:
        """Look anew, with the next run, for the collections there are."""
        self.looked_at = NEVER


def session() -> Session:
    """Return this browser session's state."""
    if "attest" not in st.session_state:
        st.session_state["attest"] = Session()
    return cast(Session, st.session_state["attest"])


def sign_in(key: str) -> None:
    """Become the owner of a key: nothing that the one before saw, typed or chose stays on the page."""
    st.session_state["attest"] = Session(key=key, reader=session().reader + 1)


def own(name: str) -> str:
    """Return a field's name for this reader alone.

    The browser keeps what a field of a name holds and sends it again, whatever is forgotten here.
    """
    return f"{name}-of-{session().reader}"


def api_url() -> str:
    """Return the address of the API."""
    return os.environ.get(API_URL_VARIABLE) or DEFAULT_API_URL


def client() -> Client:
    """Return a client with this session's key; close it (or use it as a context) when done."""
    return Client(api_url(), session().key or None)


def look() -> None:
    """Learn who the reader is and which collections there are, at most every `LOOK_S` once there are some."""
    state = session()
    if state.collections and time.monotonic() - state.looked_at <= LOOK_S:
        return
    try:
        with client() as api:
            state.me, state.collections = api.me(), api.collections()
    except ApiError as error:
        state.problem = str(error)
    else:
        state.looked_at, state.problem = time.monotonic(), None


def document_text(api: Client, document_id: str, version: int | None) -> str | None:
    """Return a document's text through a small cache of this session, or None when it cannot be read now."""
    texts = session().texts
    place = (document_id, version)
    if place not in texts:
        try:
            texts[place] = api.document_text(document_id, version)
        except ApiError:
            return None  # the document has gone or is not readable any more: the quote stands alone
        while len(texts) > KEPT_TEXTS:
            texts.popitem(last=False)
    return texts[place]
