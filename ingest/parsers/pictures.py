"""Pictures inside Office files: read where the file has next to no text of its own."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ingest.parsed import RawDocument
from ingest.parsers.request import ParseRequest

if TYPE_CHECKING:
    from ingest.parsers.package import Package

ENOUGH_CHARACTERS = 80
MAX_PICTURES = 20
_READABLE = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")


def read_pictures(package: Package, folder: str, raw: RawDocument, request: ParseRequest) -> None:
    """Add the text of the pictures below a folder of the package, where the blocks so far say little."""
    if not request.ocr or sum(len(block.text) for block in raw.blocks) > ENOUGH_CHARACTERS:
        return
    names = [name for name in sorted(package.names) if name.startswith(folder) and name.lower().endswith(_READABLE)]
    if not names:
        return
    from PIL import Image

    from ingest.parsers.ocr import read_image

    Image.MAX_IMAGE_PIXELS = 100_000_000
    request.expect_scans(min(len(names), MAX_PICTURES))
    if len(names) > MAX_PICTURES:
        raw.warnings.append(f"only the first {MAX_PICTURES} of {len(names)} pictures were read")
    for number, name in enumerate(names[:MAX_PICTURES], start=1):
        if request.seconds_left() <= 0:
            raw.warnings.append(f"{len(names) - number + 1} pictures were not read within the time limit")
            return
        with Image.open(io.BytesIO(package.read(name))) as image:
            blocks, confidence = read_image(image.convert("RGB"), request, 1.0, number)
        for block in blocks:
            block.page = None
            raw.blocks.append(block)
            raw.ocr_pages[number] = confidence
