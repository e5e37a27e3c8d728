"""What stands before a list item, where a format says that it is one and prints the mark itself."""

from __future__ import annotations

import re

BULLET = "-"
_MARKED = re.compile(r"(?:[-*+•‣◦–—▪·]|\(?\w{1,4}[.)]|\d{1,3}(?:\.\d{1,3})+)\s")


def item_text(text: str, mark: str = BULLET) -> str:
    """Return an item behind its mark, without which its text reads as any line; one that is written stays alone."""
    text = text.strip()
    return text if not text or _MARKED.match(text) else f"{mark} {text}"
