"""The pages in a real browser over a real API: ask, read, open a source, be refused, bring a document in."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.ui.browsing import ANSWER_MS, FIELD, IN_BROWSER, ask, give_key, settle, watched
from tests.ui.conftest import Site

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'attest[dev]'")
pytestmark = IN_BROWSER

CARRY_OVER = "How many hours of annual leave may staff carry over into the next leave year?"
ASSEMBLY = "Where is the assembly point?"
BONUS = "What is the Christmas bonus for staff?"


def text_of(site: Site, name: str) -> str:
    listed = httpx.get(f"{site.api}/v1/documents").json()["documents"]
    (document,) = [row for row in listed if row["source"].endswith(name)]
    return httpx.get(f"{site.api}/v1/documents/{document['id']}/text").text


def test_ask_read_open_a_source_and_see_the_passage(page: playwright.Page, site: Site) -> None:
    ask(page, CARRY_OVER)
    answer = page.locator(".answer")
    playwright.expect(answer).to_contain_text("240 hours")
    playwright.expect(page.locator(".badges")).to_contain_text("supported")
    source = page.locator(".sources details").first
    playwright.expect(source).not_to_have_attribute("open", "")
    playwright.expect(source.locator("mark")).not_to_be_visible()

    answer.locator("a.marker").first.click()

    mark = source.locator("mark")
    playwright.expect(mark).to_be_in_viewport()
    quote = mark.inner_text()
    shown = source.locator(".passage").inner_text()
    whole = text_of(site, "leave.md")
    assert "240 hours" in quote
    assert quote in whole
    assert len(shown) > len(quote)
    for side in shown.split(quote):
        assert " ".join(side.replace("…", " ").split()) in " ".join(whole.split())


def test_a_question_the_documents_do_not_answer_is_refused_as_such(page: playwright.Page) -> None:
    ask(page, BONUS)
    playwright.expect(page.locator(".callout.refused")).to_contain_text("Not answered")
    playwright.expect(page.locator(".callout.refused")).to_contain_text("do not answer this")
    playwright.expect(page.locator(".answer")).to_have_count(0)
    nearest = page.locator("details.near").first
    nearest.locator("summary").click()
    playwright.expect(nearest.locator(".passage")).to_be_visible()


def test_the_page_of_a_pdf_and_a_rating_and_the_history(page: playwright.Page, site: Site) -> None:
    ask(page, ASSEMBLY)
    playwright.expect(page.locator(".answer")).to_contain_text("car park behind building C")
    page.get_by_text("Original pages and files").click()
    picture = page.get_by_alt_text(re.compile(r"page 1$"))
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 300
    with page.expect_download() as download:
        page.get_by_role("button", name="Download safety.pdf").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")

    settle(page)  # a download runs the page again, and a click on what is being replaced is lost
    page.get_by_role("radio", name="Thumbs up").click(force=True)
    page.get_by_text("Thank you. Noted.").wait_for()
    rated = httpx.get(f"{site.api}/v1/feedback").json()["feedback"]
    assert rated[0]["rating"] == 1

    page.reload()
    playwright.expect(page.locator(".answer")).to_have_count(0)
    page.get_by_role("button", name=ASSEMBLY).first.click()
    playwright.expect(page.locator(".answer")).to_contain_text("car park behind building C")


def test_an_uploaded_document_is_answered_from_and_shown_as_text(
    page: playwright.Page, site: Site, tmp_path: Path
) -> None:
    page.get_by_role("link", name="Documents").click()
    file = tmp_path / "canteen.txt"
    file.write_text(
        "The canteen closes at 14:30 on Fridays <img src=http://evil.example/a.png onerror=alert(1)> and opens at "
        "eleven. ![pixel](http://evil.example/b.png) <script>alert(2)</script>\n\n"
        "The soup of the day costs two dollars.\n"
    )
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Add to the knowledge base").click()
    page.get_by_text(re.compile(r"ready to be asked about|held for review")).first.wait_for(timeout=ANSWER_MS)
    playwright.expect(page.locator("table.documents")).to_contain_text("canteen.txt")

    page.get_by_role("link", name="Ask").click()
    ask(page, "How much does the soup of the day cost?")
    playwright.expect(page.locator(".answer")).to_contain_text("two dollars")
    page.locator(".answer a.marker").first.click()
    playwright.expect(page.locator(".sources .passage").first).to_contain_text("<img src=http://evil.example/a.png")
    assert page.locator(".answer img, .passage img, .answer script, .passage script").count() == 0


def test_a_text_that_is_too_long_for_a_question_is_told_so(page: playwright.Page, site: Site) -> None:
    field = page.get_by_placeholder(FIELD)
    field.fill("why " * 1500)
    field.press("Enter")
    playwright.expect(page.locator(".callout.failed")).to_contain_text("This has 5,999 characters")
    ask(page, ASSEMBLY)
    playwright.expect(page.locator(".answer")).to_contain_text("car park behind building C")


def test_a_reader_without_a_mouse_sees_where_the_keyboard_is(page: playwright.Page, site: Site) -> None:
    page.get_by_placeholder(FIELD).wait_for()
    shown = {}
    for _ in range(8):
        page.keyboard.press("Tab")
        here = page.locator(":focus")
        shown[here.inner_text()] = here.evaluate(
            "e => getComputedStyle(e).outlineStyle !== 'none' || getComputedStyle(e).boxShadow !== 'none'"
        )
    assert len(shown) == 8
    assert all(shown.values()), shown


def test_a_search_shows_what_each_index_gave(page: playwright.Page, site: Site) -> None:
    page.get_by_role("link", name="Retrieval").click()
    page.get_by_label("Search for").fill("assembly point")
    page.get_by_role("button", name="Search").click()
    first = page.locator(".hits .source").first
    first.wait_for()
    playwright.expect(first).to_contain_text("safety.pdf")
    assert re.search(r"dense\s+0\.\d+", first.inner_text())
    assert re.search(r"lexical\s+\d", first.inner_text())
    settle(page)
    page.get_by_role("combobox", name="Say where this document was lost for this question").click()
    page.keyboard.type("devices")
    page.get_by_role("option", name=re.compile(r"devices\.md")).click()
    playwright.expect(page.locator(".callout.explained")).to_be_visible()


def test_a_reader_sees_what_the_key_may_and_nothing_without_it(
    browser: playwright.Browser, keyed_site: tuple[Site, str]
) -> None:
    served, key = keyed_site
    with watched(browser) as page:
        page.goto(f"{served.pages}/documents")
        playwright.expect(page.locator(".offline")).to_contain_text("key")
        playwright.expect(page.locator("table.documents")).to_have_count(0)

        give_key(page, key)
        table = page.locator("table.documents")
        playwright.expect(table).to_contain_text("salaries.md")
        playwright.expect(table).not_to_contain_text("merger.md")
        playwright.expect(page.locator(".offline")).to_have_count(0)

        give_key(page, "attest_00000000_wrong")
        playwright.expect(page.locator(".offline")).to_contain_text("not valid")
        playwright.expect(page.locator("table.documents")).to_have_count(0)


def test_a_reader_finds_nothing_that_the_one_before_typed_or_staged(
    browser: playwright.Browser, keyed_site: tuple[Site, str], tmp_path: Path
) -> None:
    served, key = keyed_site
    staged = tmp_path / "staged.md"
    staged.write_text("# Staged\n\nNot sent yet.\n")
    with watched(browser) as page:
        page.goto(f"{served.pages}/documents")
        give_key(page, key)
        page.get_by_label("Find by title or source").fill("salaries")
        page.keyboard.press("Enter")
        page.locator("input[type=file]").set_input_files(staged)
        page.get_by_role("button", name="Add to the knowledge base").wait_for()

        give_key(page, "attest_00000000_wrong")
        playwright.expect(page.locator(".offline")).to_contain_text("not valid")
        give_key(page, key)
        playwright.expect(page.locator("table.documents")).to_contain_text("leave.md")
        playwright.expect(page.get_by_label("Find by title or source")).to_have_value("")
        playwright.expect(page.get_by_role("button", name="Add to the knowledge base")).to_have_count(0)


@pytest.mark.parametrize("place", ["", "documents", "retrieval", "playground", "system"])
def test_pages_fit_a_telephone(page: playwright.Page, site: Site, place: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.pages}/{place}")
    heading = page.get_by_role("heading", level=1)
    heading.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert heading.bounding_box()["x"] >= 0


def test_every_field_has_a_name(page: playwright.Page, site: Site) -> None:
    for place in ("", "documents", "retrieval", "playground", "system"):
        page.goto(f"{site.pages}/{place}")
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(500)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('input:not([type=hidden]), textarea, select')]
                .filter(e => e.offsetParent !== null)
                .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length))
                .map(e => e.outerHTML.slice(0, 120))"""
        )
        assert nameless == [], place
