"""OCR of pages whose text is known: `python -m bench.ocr [--data D] [--pages N] [--dpi 150 200] [--each]`.

Pages of the filings are rasterised (their text layer is the reference) into PDFs that hold a picture only; pages of the
handbooks are set as plain print into PNGs (what was set is the reference). Each comes clean and as a bad scan: askew by
one to two degrees, blurred, noisy, on grey paper, compressed hard. They are parsed as ingestion does, in the sandbox.

recall      share of the reference's word tokens, counted with repetition, that was read, as `attest eval parse` has it
precision   the same the other way round: share of the text's tokens that the reference holds
order       share of the reference's pairs of neighbouring tokens that are neighbours in the text
confidence  what the engine said of itself, which the document's report shows
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import statistics
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from core.errors import AttestError
from core.settings import load_settings
from evals.metrics import token_recall
from ingest.parse import parse_file
from ingest.sandbox import ParserPool

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEED = 5
MIN_CHARACTERS = 600
"""Of a page; title pages and the like say little about reading."""
PAPER_INCHES, MARGIN_INCHES = (8.27, 11.69), 0.9
PRINT_POINTS, LINES, COLUMNS = 10.5, 54, 88
LARGEST_TILT, NOISE, PAPER_GREY, JPEG_QUALITY = 2.0, 14.0, 232, 40


@dataclass(frozen=True, slots=True)
class Page:
    """A page as a picture, and what is written on it."""

    name: str
    image: Image.Image
    reference: str


def filing_pages(folder: Path, count: int, dpi: int) -> Iterator[Page]:
    """Yield pages of PDFs as pictures, one of each file in turn, with their text layer."""
    import pypdfium2

    chosen = random.Random(SEED)
    files = sorted(folder.glob("*.pdf"))
    for number in range(count):
        path = files[number % len(files)]
        pdf = pypdfium2.PdfDocument(path)
        for index in chosen.sample(range(len(pdf)), len(pdf)):
            text = pdf[index].get_textpage().get_text_bounded()
            if len(text) >= MIN_CHARACTERS:
                image = pdf[index].render(scale=dpi / 72).to_pil().convert("RGB")
                yield Page(f"{path.stem}-{index + 1}.pdf", image, text)
                break
        pdf.close()


def handbook_pages(folder: Path, count: int, dpi: int) -> Iterator[Page]:
    """Yield Markdown pages set as plain print."""
    settings = load_settings(Path("/nonexistent"))
    files = [path for path in sorted(folder.rglob("*.md")) if path.stat().st_size > 2 * MIN_CHARACTERS]
    for path in random.Random(SEED).sample(files, count):
        text = parse_file(path, settings).text.encode("ascii", "ignore").decode()  # the font that Pillow brings
        lines = [part for line in text.splitlines() for part in textwrap.wrap(line, COLUMNS) or [""]][:LINES]
        yield Page(f"{path.stem}.png", _printed(lines, dpi), "\n".join(lines))


def _printed(lines: list[str], dpi: int) -> Image.Image:
    image = Image.new("RGB", (round(PAPER_INCHES[0] * dpi), round(PAPER_INCHES[1] * dpi)), "white")
    font, margin = ImageFont.load_default(PRINT_POINTS * dpi / 72), MARGIN_INCHES * dpi
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((margin, margin + number * 1.3 * PRINT_POINTS * dpi / 72), line, "black", font)
    return image


def bad_scan(image: Image.Image, seed: int) -> Image.Image:
    """Return a page as a worn machine scans it."""
    chosen = random.Random(seed)
    tilt = chosen.choice((-1, 1)) * chosen.uniform(LARGEST_TILT / 2, LARGEST_TILT)
    turned = image.rotate(tilt, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    soft = np.asarray(turned.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float32)
    grey = soft * (PAPER_GREY / 255) + np.random.default_rng(seed).normal(0, NOISE, soft.shape[:2])[:, :, None]
    compressed = BytesIO()
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(compressed, "JPEG", quality=JPEG_QUALITY)
    return Image.open(compressed).convert("RGB")


def measure(pages: list[Page], scan: bool, dpi: int) -> list[dict[str, Any]]:
    """Parse pages one by one in the sandbox and compare what was read with what is written."""
    settings = load_settings(Path("/nonexistent")).ingest
    rows = []
    with tempfile.TemporaryDirectory() as folder, ParserPool(settings, workers=1) as pool:
        for number, page in enumerate(pages):
            path = Path(folder) / page.name
            (bad_scan(page.image, number) if scan else page.image).save(path, resolution=dpi, quality=95)
            began = time.perf_counter()
            try:
                document = parse_file(path, settings, pool=pool)
                text, report = document.text, document.report
            except AttestError as error:
                text, report = "", {"failed": str(error)}
            rows.append(compared(text, page.reference) | {"page": page.name, "seconds": time.perf_counter() - began})
            rows[-1]["confidence"] = report.get("ocr_confidence")
            path.unlink()
    return rows


def compared(text: str, reference: str) -> dict[str, Any]:
    """Return how much of a page was read, how much of what was read is there, and in what order."""
    found, wanted = (re.findall(r"\w+", one.lower()) for one in (text, reference))
    pairs, right = (Counter(pairwise(tokens)) for tokens in (found, wanted))
    return {
        "recall": token_recall(text, reference),
        "precision": token_recall(reference, text) or 0.0,
        "order": (pairs & right).total() / max(1, right.total()),
    }


def main() -> None:
    """Measure and print one JSON object."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--pages", type=int, default=12, help="of each kind")
    arguments.add_argument("--dpi", type=int, nargs="+", default=[150, 200])
    arguments.add_argument("--each", action="store_true", help="show every page")
    given = arguments.parse_args()
    result: dict[str, Any] = {"engine": "tesseract" if shutil.which("tesseract") else "rapidocr"}
    every = []
    for dpi in given.dpi:
        kinds = {
            "filing": list(filing_pages(given.data / "financebench" / "docs", given.pages, dpi)),
            "handbook": list(handbook_pages(given.data / "handbook", given.pages, dpi)),
        }
        for kind, pages in kinds.items():
            for scan in (False, True):
                rows = measure(pages, scan, dpi)
                every += rows
                name = f"{kind}, {dpi} dpi, {'bad scan' if scan else 'clean'}"
                result[name] = _means(rows) | ({"each": rows} if given.each else {})
                sys.stderr.write(f"{name}: {json.dumps(_means(rows))}\n")
    result["all"] = _means(every)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("recall", "precision", "order", "seconds", "confidence")
    means = {name: round(statistics.fmean(row[name] or 0.0 for row in rows), 3) for name in names}
    return {"pages": len(rows), "least_recall": round(min(row["recall"] for row in rows), 3)} | means


if __name__ == "__main__":
    main()
