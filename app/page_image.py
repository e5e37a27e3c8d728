"""A page of a PDF as a picture, drawn by a confined process: a PDF is untrusted, so the server never opens one."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import BoundedSemaphore, Lock

from app.schemas import whole_number
from core.errors import InvalidInput, NotFound, ParseTimeout, Unparseable
from core.types import Box

TIMEOUT_S = 20.0
MEMORY_MB = 1024
KEPT = 32
"""Pictures kept: what one reader pages through, a few megabytes."""
DRAWING = 2
"""Pages drawn at once; more would crowd out answers on a small machine."""


class PageImages:
    """Draws pages and keeps the latest; who may see a page is decided before this is asked."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, tuple[Box, ...]], bytes] = OrderedDict()
        self._lock = Lock()
        self._seats = BoundedSemaphore(DRAWING)

    def draw(self, blob: str, content: Path, page: int, boxes: Sequence[Box] = ()) -> bytes:
        """Return page `page` (1-based) of the PDF at `content`, named `blob`, as PNG with the boxes highlighted.

        Raises:
            NotFound: it has no such page.
            Unparseable: it cannot be drawn.
            ParseTimeout: drawing took too long.
        """
        key = (blob, page, tuple(boxes))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with self._seats:
            picture = _draw(content, page, boxes)
        with self._lock:
            self._kept[key] = picture
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return picture

    def forget(self) -> None:
        """Drop every picture."""
        with self._lock:
            self._kept.clear()


def _draw(content: Path, page: int, boxes: Sequence[Box]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="attest-page-") as folder:
        home = Path(folder)
        copy = home / "input.pdf"
        copy.write_bytes(content.read_bytes())
        order = {
            "page": page,
            "boxes": [[box.x0, box.y0, box.x1, box.y1] for box in boxes if box.page == page],
            "memory_mb": MEMORY_MB,
        }
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "ingest.draw_page", str(home)],
                input=json.dumps(order).encode(),
                capture_output=True,
                timeout=TIMEOUT_S,
                cwd=home,
                env={"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ParseTimeout(f"page {page} took longer than {TIMEOUT_S:.0f} s to draw") from error
        picture = home / "page.png"
        if done.returncode == 3:
            raise NotFound(f"the document has no page {page}")
        if done.returncode != 0 or not picture.is_file():
            raise Unparseable(f"page {page} cannot be drawn")
        return picture.read_bytes()


def highlight_span(text: str) -> tuple[int, int]:
    """Return the span of `start-end`.

    Raises:
        InvalidInput: it is not one.
    """
    start, end = map(whole_number, text.partition("-")[::2])
    if start is None or end is None or start >= end:
        raise InvalidInput("highlight must be START-END in characters of the document's text")
    return start, end
