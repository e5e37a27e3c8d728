"""The pages without a browser, over a client that answers as it is told."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="streamlit is not installed: pip install 'attest[ui]'")

from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

import ui
from core.types import Answer, Verdict
from ui.answer_view import badges
from ui.api_error import ApiError
from ui.client import Client
from ui.session import KEY_FIELD
from ui.sse import ServerEvent
from ui.wire import Me

PAGES = Path(ui.__file__).parent
FIELDS = {
    "st.chat_input",
    "st.feedback",
    "st.file_uploader",
    "st.number_input",
    "st.pagination",
    "st.segmented_control",
    "st.selectbox",
    "st.text_input",
    "st.toggle",
}
ANSWER = Answer("a1", "answered", "Gone.", "withheld", (), (), (), "", "quote", 1, {})


class Api:
    """What the API knows, and what it was asked."""

    def __init__(self) -> None:
        self.collections: tuple[str, ...] = ("default",)
        self.problem: ApiError | None = None
        self.calls: list[str] = []
        self.keys: list[str | None] = []


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    known = Api()

    def answering(name: str, value: object) -> None:
        def call(client: Client, *_args: object, **_options: object) -> object:
            known.calls.append(name)
            known.keys.append(client._key)
            if known.problem is not None:
                raise known.problem
            return value(known) if callable(value) else value

        monkeypatch.setattr(Client, name, call)

    def stream(_api: Api) -> Iterator[ServerEvent]:
        yield ServerEvent("answer", ANSWER.to_json(), "s:1")

    answering("me", Me("user:ana"))
    answering("collections", lambda known: known.collections)
    answering("conversations", ())
    answering("ask_stream", stream)
    return known


@pytest.fixture
def page(api: Api) -> AppTest:
    return AppTest.from_file(str(PAGES / "main.py"), default_timeout=60).run()


def shown(page: AppTest) -> str:
    """Return the HTML of a page but for its style sheet."""
    bodies = [str(element.proto.body) for element in page.get("html")]
    return "\n".join(body for body in bodies if "<style>" not in body)


def field(page: AppTest, name: str) -> str:
    return f"{name}-of-{page.session_state['attest'].reader}"


def test_a_key_is_taken_without_what_was_copied_along(page: AppTest, api: Api) -> None:
    page.text_input(key=KEY_FIELD).set_value(" attest_1_x \t").run()
    assert not page.exception
    assert api.keys[-1] == "attest_1_x"


def test_another_reader_gets_other_fields(page: AppTest) -> None:
    before = page.chat_input[0].key
    page.text_input(key=KEY_FIELD).set_value("attest_1_x").run()
    page.text_input(key=KEY_FIELD).set_value("attest_2_y").run()
    assert page.chat_input[0].key != before
    assert page.selectbox(key=field(page, "collection"))


def test_the_first_document_is_seen_at_once(page: AppTest, api: Api) -> None:
    api.collections = ()
    page.session_state["attest"].documents_changed()
    assert "There is no document yet" in shown(page.run())
    api.collections = ("default",)
    assert "There is no document yet" not in shown(page.run())


def test_what_is_known_is_read_again_once_documents_changed(page: AppTest, api: Api) -> None:
    asked = api.calls.count("collections")
    page.run()
    assert api.calls.count("collections") == asked
    page.session_state["attest"].documents_changed()
    page.run()
    assert api.calls.count("collections") == asked + 1


def test_conversations_that_cannot_be_listed_are_said_to(page: AppTest, api: Api) -> None:
    api.problem = ApiError("The API cannot be reached.")
    assert shown(page.run()).count("The API cannot be reached.") == 1


def test_a_question_is_kept_and_shown_though_the_page_is_stopped_at_once(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_state: object) -> None:
        raise StopException

    monkeypatch.setattr("ui.page_ask.show_history", stopped)
    page.session_state["attest"].documents_changed()  # a look is due, and may take long
    monkeypatch.setattr(Client, "me", lambda _client: pytest.fail("the question waits for who is asking"))
    page.chat_input[0].set_value("Where is it?").run()
    state = page.session_state["attest"]
    assert state.asking.question == "Where is it?"
    assert '<p class="question">Where is it?</p>' in shown(page)
    deadline = time.monotonic() + 60
    while not state.asking.stopped and time.monotonic() < deadline:
        time.sleep(0.05)
    assert state.asking.stopped


def test_an_answer_taken_back_is_shown_without_support_and_sources(page: AppTest) -> None:
    page.chat_input[0].set_value("Where is it?").run()
    assert not page.exception
    html = shown(page)
    assert "Gone." in html
    assert "supported" not in html
    assert "Sources" not in html
    assert [kind for kind, _ in badges(ANSWER)] == ["time"]


def test_a_text_that_left_changed_is_not_said_to_have_held_links() -> None:
    changed = Verdict("exit_gate", "output", "redact", 1.0, 0.5, "active_content")
    answer = Answer("a1", "refused", "No.", None, (), (), (changed,), "", "quote", 1, {})
    assert ("rail", "Made safe to display") in badges(answer)


def test_every_field_is_its_readers_own() -> None:
    shared = [
        f"{path.name}:{call.lineno}"
        for path in PAGES.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in FIELDS
        for key in [next((ast.unparse(word.value) for word in call.keywords if word.arg == "key"), "none")]
        if not (key.startswith("own(") or key == "KEY_FIELD")
    ]
    assert shared == []
