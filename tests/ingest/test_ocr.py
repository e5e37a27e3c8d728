"""Reading pictures of pages: every line, in order, whichever way up, and long scans to their end."""

from __future__ import annotations

import io
import math
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, ImageDraw, ImageFont

from core.settings import IngestSettings
from ingest.parse import parse_file
from ingest.parsed import ParsedDocument
from ingest.parsers.ocr_order import Level, Piece, levelled, reading_order, slope
from ingest.parsers.ocr_tesseract import tilt
from ingest.parsers.request import SCAN_S, scans_limit_s
from tests.ingest.conftest import Read

pytest.importorskip("rapidocr")

LINES = [
    "Every visitor signs the book at the gate.",
    "Badges are worn where all can see them.",
    "A badge that is lost is reported the same day.",
    "The gate closes at seven in the evening.",
    "Whoever stays later asks the guard for a pass.",
    "Passes are given for one night only.",
    "Cameras are handed in before the tour begins.",
    "The tour ends where it began, at the gate.",
]


PAGES, SHORT = 12, IngestSettings(parse_timeout_s=8)
"""More pages than are read in so short a time, of which the engine takes a second to load."""


@pytest.fixture(autouse=True)
def without_tesseract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine that the package brings, whatever is installed beside it."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def only_work_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever watches a parser see its processor time alone: a machine may stall longer than `SHORT` allows."""
    monkeypatch.setattr("ingest.parser_process.time", SimpleNamespace(monotonic=count(step=1e-6).__next__))


def page(lines: list[str], turned: int = 0) -> Image.Image:
    """Return a sheet with some lines set at 150 dpi, turned against the clock."""
    image = Image.new("RGB", (1240, 900), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(24)
    for number, line in enumerate(lines):
        draw.text((120, 120 + 60 * number), line, "black", font)
    return image.rotate(turned, expand=True)


def small_pages() -> list[Image.Image]:
    """Return many sheets, each quickly read."""
    return [page([f"Sheet {number}", *LINES[:3]]).crop((100, 100, 700, 360)) for number in range(PAGES)]


def png(image: Image.Image) -> bytes:
    """Return a picture's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def words(document: ParsedDocument) -> list[str]:
    """Return what was read."""
    return document.text.split()


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_every_line_is_read_in_order_whichever_way_up_the_page_lies(read: Read, turned: int) -> None:
    document = read("page.png", png(page(LINES, turned)))
    assert words(document) == " ".join(LINES).split()
    first, last = document.layout[0], document.layout[-1]
    width, height = (1240, 900) if turned in (0, 180) else (900, 1240)
    x, y = (first[3] + first[5]) / 2 / width, (first[4] + first[6]) / 2 / height
    assert {0: y < 0.3, 90: x < 0.3, 180: y > 0.7, 270: x > 0.7}[turned]  # boxes are those of the picture as it is
    assert all(0 <= value <= 1240 for value in (*first[3:], *last[3:]))


@pytest.mark.usefixtures("only_work_counts")
def test_a_scan_is_read_beyond_what_the_time_for_other_files_allows(tmp_path: Path) -> None:
    first, *rest = small_pages()
    path = tmp_path / "scan.pdf"
    first.save(path, save_all=True, append_images=rest, resolution=150)
    whole = parse_file(path, SHORT)
    assert (len(whole.pages), whole.warnings, whole.report["ocr_pages"]) == (PAGES, [], PAGES)
    cut = parse_file(path, SHORT.model_copy(update={"ocr_timeout_s": 0.0}))
    assert cut.report["ocr_pages"] < PAGES
    assert any("scanned pages were not read within the time limit" in warning for warning in cut.warnings)


@pytest.mark.usefixtures("only_work_counts")
def test_pages_of_a_picture_that_were_not_read_are_a_warning(tmp_path: Path) -> None:
    first, *rest = small_pages()
    path = tmp_path / "scan.tiff"
    first.save(path, save_all=True, append_images=rest)
    document = parse_file(path, SHORT.model_copy(update={"ocr_timeout_s": 0.0}))
    assert any(
        warning.endswith(f"of {PAGES} pages were not read within the time limit") for warning in document.warnings
    )
    assert 0 < len(document.pages) < PAGES


def test_time_for_scans_is_by_the_page_and_bounded() -> None:
    assert scans_limit_s(3, 1800) == 3 * SCAN_S
    assert scans_limit_s(10**6, 1800) == 1800
    assert scans_limit_s(-5, 1800) == 0


def pieces(*rows: tuple[str, float, float, float]) -> list[Piece]:
    """Return runs of print, 10 high, from (text, left, right, top)."""
    return [Piece(text, left, right, top, top + 10) for text, left, right, top in rows]


def test_columns_are_read_one_after_the_other() -> None:
    head = ("A heading that goes across both of them", 0, 400, 0)
    left = [(f"left column, its line number {n}", 0, 190, 20 + 12 * n) for n in range(6)]
    right = [(f"right column, its line number {n}", 210, 400, 23 + 12 * n) for n in range(6)]
    foot = ("Below, again across the whole of the page", 0, 400, 110)
    mixed = [one for pair in zip(left, right, strict=True) for one in pair]
    lines = reading_order(pieces(head, *mixed, foot))
    assert [line.text for line in lines] == [text for text, *_ in (head, *left, *right, foot)]


def test_cells_of_a_table_stay_in_their_row() -> None:
    rows = [(f"Net sales of segment number {n}", f"{n},000", f"{n + 1},000") for n in range(6)]
    cells = [
        cell
        for n, (label, a, b) in enumerate(rows)
        for cell in ((a, 250, 280, 20 * n), (label, 0, 200, 20 * n + 1), (b, 350, 380, 20 * n - 1))
    ]
    assert [line.text for line in reading_order(pieces(*cells))] == [" ".join(row) for row in rows]


def test_rows_of_a_page_that_is_askew_do_not_slip() -> None:
    angle, texts = math.radians(2), []
    corners = []
    for n in range(5):
        for side, (x0, x1) in enumerate(((0, 300), (700, 1000))):
            texts.append(f"{n}{'ab'[side]}")
            square = [(x0, 25 * n), (x1, 25 * n), (x1, 25 * n + 15), (x0, 25 * n + 15)]
            corners.append([(x - y * math.sin(angle), y + x * math.sin(angle)) for x, y in square])
    assert slope(corners) == pytest.approx(angle, abs=0.01)
    level = [levelled(text, one, slope(corners)) for text, one in zip(texts, corners, strict=True)]
    assert [line.text for line in reading_order(level)] == [f"{n}a {n}b" for n in range(5)]


@pytest.mark.parametrize("angle", [-2.0, 0.0, 1.5])
def test_the_tilt_of_print_is_seen(angle: float) -> None:
    askew = page([f"{line} {line}" for line in LINES]).rotate(-angle, fillcolor="white")
    assert tilt(askew) == pytest.approx(angle, abs=0.25)


def test_a_blank_sheet_is_left_as_it_is() -> None:
    assert tilt(Image.new("RGB", (800, 600), "white")) == 0


def test_what_was_made_level_is_put_back() -> None:
    piece = levelled("x", [(100, 500), (300, 510), (299, 530), (99, 520)], angle := math.atan2(10, 200))
    x0, y0, x1, y1 = Level(angle).undone((piece.left, piece.top, piece.right, piece.bottom))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((199.5, 515), abs=0.1)
    assert Level(math.radians(90), 50, 50).undone((90, 45, 100, 55)) == (45, 90, 55, 100)


def test_boxes_of_a_page_that_is_askew_lie_on_its_print(read: Read) -> None:
    document = read("page.png", png(page(LINES).rotate(-2, fillcolor="white")))
    assert words(document) == " ".join(LINES).split()
    for number, (*_, x0, y0, x1, y1) in enumerate(document.layout):
        x, y = (x0 + x1) / 2 - 620, 120 + 60 * number + 14 - 450  # of the level page, from its middle
        assert (y0 + y1) / 2 - 450 == pytest.approx(y + math.sin(math.radians(2)) * x, abs=8)
