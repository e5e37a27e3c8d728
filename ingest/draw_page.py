"""Draws one page of a PDF, confined: `python -P -m ingest.draw_page FOLDER` with an order on standard input.

Reads `input.pdf` in the folder and leaves `page.png` there. Exit status 3: there is no such page.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pypdfium2
from PIL import Image, ImageDraw

from ingest.confine import confine

SCALE = 110 / 72
"""110 dots an inch: small print is legible and an A4 page stays under 300 kB."""
LARGEST = 3000
"""Pixels of the longer side: a page may declare any size."""
CPU_S = 20
MARK = (255, 214, 0, 90)
NO_SUCH_PAGE = 3


def main() -> None:
    """Draw the page that standard input orders."""
    order = json.load(sys.stdin)
    home = Path(sys.argv[1])
    confine(home, order["memory_mb"])
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    document = pypdfium2.PdfDocument(home / "input.pdf")
    if not 1 <= order["page"] <= len(document):
        sys.exit(NO_SUCH_PAGE)
    page = document[order["page"] - 1]
    scale = min(SCALE, LARGEST / max(page.get_size()))
    picture = page.render(scale=scale).to_pil().convert("RGB")
    if order["boxes"]:
        picture = _marked(picture, order["boxes"], scale)
    picture.save(home / "page.png", optimize=True)


def _marked(picture: Image.Image, boxes: list[list[float]], scale: float) -> Image.Image:
    """Lay a translucent mark over each box (points, origin at the top left)."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    for x0, y0, x1, y1 in boxes:
        pen.rectangle((x0 * scale - 1, y0 * scale - 1, x1 * scale + 1, y1 * scale + 1), fill=MARK)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


if __name__ == "__main__":
    main()
