"""What tests in a real browser share: a profile that notices anything untoward, and the ways of a reader."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'attest[dev]'")

CHROMIUM = "/usr/bin/chromium"
IN_BROWSER = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.access(CHROMIUM, os.X_OK), reason=f"NO BROWSER TEST: no Chromium at {CHROMIUM}"),
]
ANSWER_MS = 240_000
"""Patience for one answer: models on a small, busy machine."""
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
FIELD = "Ask a question about your documents"


@contextmanager
def started() -> Iterator[playwright.Browser]:
    """Start Chromium."""
    with playwright.sync_playwright() as starter:
        playwright.expect.set_options(timeout=60_000)  # the default of 5 s is too short on a busy machine
        opened = starter.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def watched(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """Open a fresh profile; fail if a page asks anything of another host, opens a dialog or raises an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    wrong: list[str] = []

    def look(request: playwright.Request) -> None:
        if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", request.url):
            wrong.append(f"asked for {request.url}")

    def dismiss(dialog: playwright.Dialog) -> None:
        wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    opened.on("request", look)
    opened.on("dialog", dismiss)
    opened.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    yield opened
    context.close()
    assert wrong == []


def ask(page: playwright.Page, question: str, *, answers: int = 1) -> None:
    """Ask, and wait until that many answers of the conversation are whole."""
    begin_to_ask(page, question)
    page.get_by_text("Did this help?").nth(answers - 1).wait_for(timeout=ANSWER_MS)
    settle(page)  # until then what was streamed stands beside the whole answer


def begin_to_ask(page: playwright.Page, question: str) -> None:
    """Ask, and wait for nothing."""
    page.get_by_label(FIELD).fill(question)
    page.keyboard.press("Enter")


OPENS_MS = 5_000
"""Longest that settings take to open; a click while they do would close them."""


def settle(page: playwright.Page) -> None:
    """Wait until the page's script has run to its end: a list opened before that closes again."""
    page.wait_for_timeout(500)  # until the event has come to the server and the run has begun
    page.locator('[data-test-script-state="notRunning"]').wait_for()


def give_key(page: playwright.Page, key: str) -> None:
    """Type a key into the settings."""
    settle(page)
    field = page.get_by_label("API key", exact=True)
    try:
        field.wait_for(timeout=OPENS_MS)  # where the API asks for a key the settings open by themselves
    except playwright.TimeoutError:
        page.get_by_text("Settings", exact=True).click()
    field.fill("")
    field.press_sequentially(key)
    field.press("Enter")
