"""Text from images: tesseract where it is installed, otherwise RapidOCR; lines with boxes and a mean confidence."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.errors import MissingExtra, ParseTimeout, UnsupportedFormat
from ingest.parsed import RawDocument
from ingest.parsers.pdf_layout import page_blocks, typical_height
from ingest.parsers.printed import PrintedLine
from ingest.parsers.request import PATIENCE, ParseRequest

MIN_WORD_CONFIDENCE = 20.0  # per cent; below it tesseract is reading noise
MAX_SIDE_PIXELS = 4000
BLANK_SHADES = 24  # of 255; a page of one shade holds nothing to read
SECOND_LOOK_S = 15.0  # about what rapidocr needs for a page
DOUBTFUL_CONFIDENCE = 0.7
"""Upright print reads at 0.9; below this the picture may lie on its side."""


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
        for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
            raw.pages = number
            picture = frame.convert("RGB")
            scale = min(1.0, MAX_SIDE_PIXELS / max(picture.size))
            if scale < 1:
                picture = picture.resize((int(picture.width * scale), int(picture.height * scale)))
            lines, confidence = read_image(picture, request, scale)
            if lines:
                raw.blocks += page_blocks(lines, number, typical_height(lines))
                raw.ocr_pages[number] = confidence
    return raw


def read_image(image: Any, request: ParseRequest, scale: float) -> tuple[list[PrintedLine], float]:
    """Return an image's lines in reading order (boxes divided by `scale`) and the mean confidence in [0, 1]."""
    if shutil.which("tesseract"):
        found = _tesseract(image, request, scale)
        if found[0] or not _second_look(image, request):
            return found
    return _rapidocr(image, scale)


def _second_look(image: Any, request: ParseRequest) -> bool:
    """Tell whether the slower engine, where installed, may find a word or two that tesseract takes for a drawing."""
    darkest, lightest = image.convert("L").getextrema()
    shows = lightest - darkest > BLANK_SHADES
    return shows and request.seconds_left() > SECOND_LOOK_S and find_spec("rapidocr") is not None


def _tesseract(image: Any, request: ParseRequest, scale: float) -> tuple[list[PrintedLine], float]:
    picture = request.spool / "page.png"
    image.save(picture)
    left = PATIENCE * max(1.0, request.seconds_left() + 5)
    try:
        lines, confidence = _tesseract_lines(_run_tesseract(picture, left), scale)
        if confidence < DOUBTFUL_CONFIDENCE and _turn_upright(picture, image, left):
            return _tesseract_lines(_run_tesseract(picture, left), scale)
        return lines, confidence
    finally:
        picture.unlink(missing_ok=True)


def _turn_upright(picture: Path, image: Any, timeout_s: float) -> bool:
    """Turn a picture upright where tesseract is sure that it is not, and tell whether it was turned."""
    result = subprocess.run(
        ["tesseract", str(picture), "stdout", "--psm", "0"], capture_output=True, timeout=timeout_s, check=False
    )
    found = dict(line.split(": ", 1) for line in result.stdout.decode(errors="replace").splitlines() if ": " in line)
    angle = int(found.get("Rotate", "0") or 0)
    if not angle or float(found.get("Orientation confidence", "0") or 0) < 1:
        return False
    image.rotate(-angle, expand=True).save(picture)
    return True


def _run_tesseract(picture: Path, timeout_s: float) -> list[list[str]]:
    try:
        result = subprocess.run(
            ["tesseract", str(picture), "stdout", "--psm", "3", "-l", _languages(), "tsv"],
            capture_output=True, timeout=timeout_s, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ParseTimeout("OCR ran past its limit of time") from error
    return [line.split("\t") for line in result.stdout.decode("utf-8", errors="replace").splitlines()[1:]]


@lru_cache(maxsize=1)
def _languages() -> str:
    """Return every installed language, English first, as tesseract names them."""
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, check=False, timeout=10)
    names = [name.strip() for name in listed.stdout.decode(errors="replace").splitlines()[1:] if name.strip()]
    names = sorted((name for name in names if name not in ("osd", "equ")), key=lambda name: (name != "eng", name))
    return "+".join(names[:4]) or "eng"


def _tesseract_lines(rows: list[list[str]], scale: float) -> tuple[list[PrintedLine], float]:
    lines: dict[tuple[str, ...], list[tuple[str, float, tuple[float, float, float, float]]]] = {}
    for row in rows:
        if len(row) < 12 or row[0] != "5" or not row[11].strip() or float(row[10]) < MIN_WORD_CONFIDENCE:
            continue
        left, top, width, height = (float(value) / scale for value in row[6:10])
        word = (row[11].strip(), float(row[10]), (left, top, left + width, top + height))
        lines.setdefault(tuple(row[1:5]), []).append(word)
    printed = [
        PrintedLine(
            " ".join(text for text, _, _ in words),
            _around(words),
            words=[(text, box[0], box[2]) for text, _, box in words],
        )
        for words in lines.values()
    ]
    scores = [word[1] for words in lines.values() for word in words]
    return printed, round(sum(scores) / len(scores) / 100, 3) if scores else 0.0


def _around(words: list[tuple[str, float, tuple[float, float, float, float]]]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = zip(*(word[2] for word in words), strict=True)
    return round(min(x0), 1), round(min(y0), 1), round(max(x1), 1), round(max(y1), 1)


@lru_cache(maxsize=1)
def _engine() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise MissingExtra("ocr", "rapidocr") from error
    # 1,440 pixels read as well as its 2,000, a line at a time is faster than six padded ones: 0.6 GB instead of 0.9.
    return RapidOCR(params={"Global.log_level": "error", "Global.max_side_len": 1440, "Rec.rec_batch_num": 1})


def _rapidocr(image: Any, scale: float) -> tuple[list[PrintedLine], float]:
    import numpy

    result = _engine()(numpy.asarray(image))
    if result is None or result.txts is None:
        return [], 0.0
    lines = []
    for text, corners in zip(result.txts, result.boxes, strict=True):
        x, y = [float(c[0]) / scale for c in corners], [float(c[1]) / scale for c in corners]
        lines.append(PrintedLine(text, (round(min(x), 1), round(min(y), 1), round(max(x), 1), round(max(y), 1))))
    scores = [float(score) for score in result.scores]
    return lines, round(sum(scores) / len(scores), 3) if scores else 0.0
