"""Lines of a PDF's page that nobody sees: outside the page, too small to read, white on white.

Invisible text (rendering mode 3) is what scanners lay over a picture of the page; it counts as seen.
"""

from __future__ import annotations

from typing import Any

from ingest.parsers.printed import PrintedLine

WHITE = 250  # of 255, each colour
MIN_HEIGHT = 1.5  # points; print is not read below 4
OUTSIDE = 2.0  # points beyond the edge; glyphs hang over it
INK = 24  # steps of grey between the darkest and the lightest spot of a line that can be seen


def part_hidden(page: Any, lines: list[PrintedLine]) -> tuple[list[PrintedLine], list[str]]:
    """Return the lines that are seen and the texts of those that are not."""
    if not any(line.white for line in lines) and not _may_hide(page, lines):
        return lines, []
    width, height = page.get_size()
    picture = _picture(page) if any(line.white for line in lines) else None
    shown, hidden = [], []
    for line in lines:
        if line.height > 0 and (_outside(line, width, height) or line.height < MIN_HEIGHT or _blank(line, picture)):
            hidden.append(line.text)
        else:
            shown.append(line)
    return shown, hidden


def _may_hide(page: Any, lines: list[PrintedLine]) -> bool:
    """Tell quickly whether a line is tiny or reaches over the page's edge."""
    width, height = page.get_size()
    return any(0 < line.height < MIN_HEIGHT or _outside(line, width, height) for line in lines)


def _outside(line: PrintedLine, width: float, height: float) -> bool:
    x0, y0, x1, y1 = line.box
    return x1 < -OUTSIDE or y1 < -OUTSIDE or x0 > width + OUTSIDE or y0 > height + OUTSIDE


def _picture(page: Any) -> Any:
    return page.render(scale=1.0, grayscale=True).to_numpy()


def _blank(line: PrintedLine, picture: Any) -> bool:
    """Tell whether a white line's place on the rendered page is all of one shade."""
    if not line.white or picture is None:
        return False
    x0, y0, x1, y1 = (max(0, int(value)) for value in line.box)
    spot = picture[y0 : y1 + 1, x0 : x1 + 1]
    return bool(spot.size == 0 or int(spot.max()) - int(spot.min()) < INK)
