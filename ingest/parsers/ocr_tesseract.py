"""Tesseract, where it is installed: some 0.7 s a page."""

from __future__ import annotations

import math
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.errors import ParseTimeout
from ingest.parsers.ocr_order import Level
from ingest.parsers.printed import PrintedLine
from ingest.parsers.request import PATIENCE, ParseRequest

TILTS = [step / 4 for step in range(-16, 17)]  # degrees; a sheet that is fed by hand comes askew by as much
MIN_TILT = 0.5  # degrees; tesseract loses whole lines of small print above it, and none below
TILT_PIXELS = 600  # of the longer side: rows of print still show as stripes
CLEARER = 1.2  # times as striped must the level page be; a picture is as striped either way
MIN_WORD_CONFIDENCE = 20.0  # per cent; below it tesseract is reading noise
DOUBTFUL_CONFIDENCE = 0.7
"""Upright print reads at 0.9; below this the picture may lie on its side."""


def installed() -> bool:
    """Tell whether the program is there."""
    return shutil.which("tesseract") is not None


def read(image: Any, request: ParseRequest, scale: float) -> tuple[list[PrintedLine], float, int, Level]:
    """Return a picture's lines, the mean confidence in [0, 1], and by how many degrees it was turned to be upright.

    Boxes are those of the picture so turned, against the clock, and made level, divided by `scale`.

    Raises:
        ParseTimeout: it ran past the file's limit.
    """
    picture = request.spool / "page.png"
    level = _save_level(image, picture, scale)
    left = PATIENCE * max(1.0, request.seconds_left() + 5)
    try:
        lines, confidence = _lines(_run(picture, left), scale)
        turn = _turn(picture, left) if confidence < DOUBTFUL_CONFIDENCE else 0
        if turn:
            level = _save_level(image.rotate(turn, expand=True), picture, scale)
            lines, confidence = _lines(_run(picture, left), scale)
        return lines, confidence, turn, level
    finally:
        picture.unlink(missing_ok=True)


def _save_level(image: Any, picture: Path, scale: float) -> Level:
    """Save an image with its rows of print level, and return how it was turned for that."""
    angle = tilt(image)
    level = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor="white") if abs(angle) >= MIN_TILT else image
    level.save(picture)
    turned = math.radians(angle) if level is not image else 0.0
    return Level(turned, image.width / 2 / scale, image.height / 2 / scale)


def tilt(image: Any) -> float:
    """Return by how many degrees an image must be turned against the clock for its rows of print to be level.

    That is where light and dark change most sharply from one row of pixels to the next.
    """
    shrink = min(1.0, TILT_PIXELS / max(image.size))
    size = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
    small = image.convert("L").resize(size, Image.Resampling.BOX)
    paper = int(np.median(np.asarray(small)))
    stripes = {angle: _stripes(small.rotate(angle, Image.Resampling.BILINEAR, fillcolor=paper)) for angle in TILTS}
    best = max(TILTS, key=lambda angle: (stripes[angle], -abs(angle)))
    return best if stripes[best] > CLEARER * stripes[0.0] else 0.0


def _stripes(image: Any) -> float:
    rows = np.asarray(image, dtype=np.float32).mean(axis=1)
    return float(np.diff(rows).var()) if len(rows) > 2 else 0.0


def _turn(picture: Path, timeout_s: float) -> int:
    """Return by how much a picture must be turned against the clock; 0 where tesseract is not sure that it must."""
    result = subprocess.run(
        ["tesseract", str(picture), "stdout", "--psm", "0"], capture_output=True, timeout=timeout_s, check=False
    )
    found = dict(line.split(": ", 1) for line in result.stdout.decode(errors="replace").splitlines() if ": " in line)
    sure = float(found.get("Orientation confidence", "0") or 0) >= 1
    return -int(found.get("Rotate", "0") or 0) % 360 if sure else 0


def _run(picture: Path, timeout_s: float) -> list[list[str]]:
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


def _lines(rows: list[list[str]], scale: float) -> tuple[list[PrintedLine], float]:
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
