"""Text from images: tesseract where it is installed, otherwise RapidOCR; blocks with boxes and a mean confidence."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from core.errors import UnsupportedFormat
from ingest.parsed import Block, RawDocument, Rectangle
from ingest.parsers import ocr_rapid, ocr_tesseract
from ingest.parsers.ocr_order import Level, reading_order
from ingest.parsers.pdf_layout import page_blocks, typical_height
from ingest.parsers.printed import PrintedLine
from ingest.parsers.request import ParseRequest

MAX_SIDE_PIXELS = 4000
BLANK_SHADES = 24  # of 255; a page of one shade holds nothing to read
SECOND_LOOK_S = 15.0  # about what rapidocr needs for a page


def parse_image(request: ParseRequest) -> RawDocument:
    """Read the text in a picture; each frame of a TIFF is a page.

    Raises:
        UnsupportedFormat: OCR is switched off.
    """
    if not request.ocr:
        raise UnsupportedFormat("a picture can only be read with OCR, which is off")
    from PIL import Image, ImageSequence

    Image.MAX_IMAGE_PIXELS = 100_000_000  # PIL raises above twice this: a decompression bomb
    raw = RawDocument([], "image/*", "ocr")
    with Image.open(request.path) as image:
        raw.media_type = Image.MIME.get(image.format or "", "image/unknown")
        raw.pages = getattr(image, "n_frames", 1)
        request.expect_scans(raw.pages)
        for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
            if number > 1 and request.seconds_left() <= 0:
                raw.warnings.append(
                    f"{raw.pages - number + 1} of {raw.pages} pages were not read within the time limit"
                )
                break
            picture = frame.convert("RGB")
            scale = min(1.0, MAX_SIDE_PIXELS / max(picture.size))
            if scale < 1:
                picture = picture.resize((int(picture.width * scale), int(picture.height * scale)))
            blocks, confidence = read_image(picture, request, scale, number)
            if blocks:
                raw.blocks += blocks
                raw.ocr_pages[number] = confidence
    return raw


def read_image(image: Any, request: ParseRequest, scale: float, page: int) -> tuple[list[Block], float]:
    """Return a page's blocks in reading order (boxes divided by `scale`) and the mean confidence in [0, 1]."""
    lines: list[PrintedLine] = []
    confidence, turn, level = 0.0, 0, Level()
    if ocr_tesseract.installed():
        lines, confidence, turn, level = ocr_tesseract.read(image, request, scale)
    if not lines and (not ocr_tesseract.installed() or _second_look(image, request)):
        found, turn = ocr_rapid.read(image, request)
        lines, confidence, level = reading_order(found.pieces(scale)), found.confidence, found.level
    blocks = page_blocks(lines, page, typical_height(lines))
    for line in (line for block in blocks for line in block.lines):
        if line.box is not None:
            line.box = _turned_back(level.undone(line.box), turn, image.width / scale, image.height / scale)
    return blocks, confidence


def _second_look(image: Any, request: ParseRequest) -> bool:
    """Tell whether the slower engine, where installed, may find a word or two that tesseract takes for a drawing."""
    darkest, lightest = image.convert("L").getextrema()
    shows = lightest - darkest > BLANK_SHADES
    return shows and request.seconds_left() > SECOND_LOOK_S and find_spec("rapidocr") is not None


def _turned_back(box: Rectangle, turn: int, width: float, height: float) -> Rectangle:
    """Return where a box of a page that was turned against the clock lies on the page as it is."""
    x0, y0, x1, y1 = box
    if turn == 0:
        pass
    elif turn == 90:
        x0, y0, x1, y1 = width - y1, x0, width - y0, x1
    elif turn == 180:
        x0, y0, x1, y1 = width - x1, height - y1, width - x0, height - y0
    else:
        x0, y0, x1, y1 = y0, height - x1, y1, height - x0
    return round(x0, 1), round(y0, 1), round(x1, 1), round(y1, 1)
