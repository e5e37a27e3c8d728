"""A reader who changes their mind: stops an answer, clicks about, keeps a copy, deletes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import KnowledgeBase
from tests.ui.browsing import ANSWER_MS, IN_BROWSER, ask, begin_to_ask, settle, watched
from tests.ui.conftest import Site, installation
from tests.wire_double import WireDouble, until, wire_double

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'attest[dev]'")
pytestmark = IN_BROWSER

CARRY_OVER = "How many hours of annual leave may staff carry over into the next leave year?"


@pytest.fixture(scope="module")
def slow_model() -> Iterator[WireDouble]:
    """A model server that says all it was shown, a word at a time."""
    with wire_double(mode="obedient", pause_s=0.1) as double:
        yield double


@pytest.fixture(scope="module")
def slow_site(
    knowledge_base: KnowledgeBase, slow_model: WireDouble, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("slow") / "home"
    shutil.copytree(knowledge_base.home, home)
    settings = {
        "ATTEST_GENERATION__VLLM_URLS": f'["{slow_model.url}"]',
        "ATTEST_GENERATION__VLLM_MODEL": "double-1",
        "ATTEST_RAILS__ENABLED": "false",
    }
    with installation(home, **settings) as served:
        yield served


def test_an_answer_can_be_stopped_and_the_model_is_told(
    browser: playwright.Browser, slow_site: Site, slow_model: WireDouble
) -> None:
    with watched(browser) as page:
        page.goto(slow_site.pages)
        begin_to_ask(page, CARRY_OVER)
        playwright.expect(page.locator(".asking")).to_contain_text("Writing an answer", timeout=ANSWER_MS)
        page.get_by_role("button", name="Stop script").click()
        page.get_by_text("Stopped before it was finished.").wait_for()
        until(lambda: bool(slow_model.broken_off))
        assert slow_model.broken_off == 1
        page.get_by_role("button", name="New conversation").wait_for()
        records = httpx.get(f"{slow_site.api}/v1/audit").json()["records"]
        assert {record["reason"] for record in records} <= {"stopped"}  # what had left is on record, and no more


def test_a_click_elsewhere_does_not_cost_the_answer(browser: playwright.Browser, slow_site: Site) -> None:
    with watched(browser) as page:
        page.goto(slow_site.pages)
        before = len(httpx.get(f"{slow_site.api}/v1/audit").json()["records"])
        page.get_by_text("Settings", exact=True).click()
        settle(page)
        begin_to_ask(page, CARRY_OVER)
        playwright.expect(page.locator(".asking")).to_contain_text("Writing an answer", timeout=ANSWER_MS)
        page.get_by_role("combobox", name="Answers by").click()
        page.get_by_role("option", name="Quotes only").click()
        page.get_by_text("Did this help?").wait_for(timeout=ANSWER_MS)
        assert len(httpx.get(f"{slow_site.api}/v1/audit").json()["records"]) == before + 1


def test_an_answer_goes_on_when_the_reader_looks_at_another_page(browser: playwright.Browser, slow_site: Site) -> None:
    with watched(browser) as page:
        page.goto(slow_site.pages)
        before = len(httpx.get(f"{slow_site.api}/v1/audit").json()["records"])
        begin_to_ask(page, CARRY_OVER)
        playwright.expect(page.locator(".asking")).to_contain_text("Writing an answer", timeout=ANSWER_MS)
        page.get_by_role("link", name="Documents").click()
        page.get_by_role("heading", name="Documents", level=1).wait_for()
        page.wait_for_timeout(6000)  # longer than the API goes on for when nobody reads
        page.get_by_role("link", name="Ask").click()
        page.get_by_text("Did this help?").wait_for(timeout=ANSWER_MS)
        assert len(httpx.get(f"{slow_site.api}/v1/audit").json()["records"]) == before + 1


def test_a_conversation_is_downloaded_and_deleted(page: playwright.Page, site: Site) -> None:
    ask(page, CARRY_OVER)
    settle(page)
    page.get_by_role("button", name="This conversation").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as Markdown").click()
    kept = Path(download.value.path()).read_text(encoding="utf-8")
    assert CARRY_OVER in kept
    assert "240 hours" in kept
    page.get_by_role("button", name="Delete it").click()
    page.get_by_text("The conversation is deleted.").wait_for()
    assert httpx.get(f"{site.api}/v1/conversations").json()["conversations"] == []


def test_a_reload_takes_up_the_conversation_and_a_new_one_does_not(page: playwright.Page, site: Site) -> None:
    page.goto(site.pages)
    ask(page, CARRY_OVER)
    page.wait_for_url(re.compile(r"[?&]conversation=\w+"))
    page.reload()
    playwright.expect(page.locator(".question")).to_have_text(CARRY_OVER)
    page.get_by_text("Did this help?").wait_for()
    page.get_by_text("Retrieval", exact=True).click()
    settle(page)
    page.get_by_text("Ask", exact=True).first.click()
    page.wait_for_url(re.compile(r"[?&]conversation=\w+"))
    page.get_by_role("button", name="New conversation").click()
    page.get_by_role("heading", name="Ask your documents").wait_for()
    page.wait_for_url(re.compile(r"^[^?]*$"))
    page.reload()
    page.get_by_role("heading", name="Ask your documents").wait_for()


def test_the_address_of_a_conversation_that_is_gone_says_so(page: playwright.Page, site: Site) -> None:
    page.goto(f"{site.pages}?conversation={'0' * 32}")
    page.get_by_text("The conversation of this address is not there any more.").wait_for()
    page.get_by_role("heading", name="Ask your documents").wait_for()
    page.wait_for_url(re.compile(r"^[^?]*$"))
