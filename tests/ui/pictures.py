"""Take the pictures of docs/ui anew. Run, after `make demo ONCE=1`: python -m tests.ui.pictures .attest docs/ui"""

from __future__ import annotations

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.ui.browsing import FIELD, ask, settle, started
from tests.ui.conftest import installation

CARRY_OVER = "What is the most annual leave I can carry over to the next leave year?"
BONUS = "What is the Christmas bonus for TTS staff?"
WARMING = "How do I report a lost badge?"
"""Asked first and not shown: it pays for the loading of the models. Another than those shown, which are kept read."""
LAPTOP = "Who decides whether I get a MacBook or a PC?"


def take(home: Path, out: Path) -> None:
    """Serve a copy of a home that holds the samples and write a picture of each page that docs/pages.md shows."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "home"
        shutil.copytree(home, copy)
        with installation(copy) as site, started() as browser:
            page = _opened(browser, site.pages, width=1280, height=800)
            ask(page, WARMING)
            _begin_anew(page)
            ask(page, CARRY_OVER)
            page.locator(".answer a.marker").first.click()
            settle(page)
            page.locator("p.question").scroll_into_view_if_needed()
            _keep(page, out / "answer.png")
            _begin_anew(page)
            ask(page, BONUS)
            _keep(page, out / "refusal.png")
            for place in ("documents", "system"):
                page.goto(f"{site.pages}/{place}")
                page.locator("table").first.wait_for()
                _keep(page, out / f"{place}.png")
            phone = _opened(browser, site.pages, width=390, height=844, dark=True)
            ask(phone, LAPTOP)
            _keep(phone, out / "phone.png")


def _opened(browser: Browser, url: str, *, width: int, height: int, dark: bool = False) -> Page:
    scheme = "dark" if dark else "light"
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()
    page.goto(url)
    page.get_by_placeholder(FIELD).wait_for()
    return page


def _begin_anew(page: Page) -> None:
    settle(page)
    page.get_by_role("button", name="New conversation").click()
    page.get_by_text("Did this help?").wait_for(state="detached")


def _keep(page: Page, file: Path) -> None:
    settle(page)
    page.wait_for_timeout(1500)
    shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
    shot.quantize(256).save(file, optimize=True)  # flat colours: half the size, nothing to be seen of it


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
