"""Text from documents, questions and servers is shown as characters, never as markup.

Streamlit renders labels and messages as Markdown, in which `![](https://…)` would fetch an image and `[](…)` make
a link. Such text therefore goes through `label` where Streamlit takes Markdown, and through `text` where this
package writes HTML of its own.
"""

from __future__ import annotations

import html
import re

SHOWN_FOLDERS = 2
"""Folders shown of a source's path."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=@/\"'])")
_AUTOLINK = re.compile(r"(https?(?=://)|www(?=\.)|mailto(?=:)|xmpp(?=:)|(?<=\S)@(?=\S))", re.IGNORECASE)
_JOINER = "\u2060"
"""Invisible; breaks what Markdown would turn into a link of its own accord, which no backslash prevents."""
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def text(value: object) -> str:
    """Return a value as HTML text: markup escaped, control and direction-changing characters removed."""
    return html.escape(visible(str(value)), quote=True)


def label(value: object) -> str:
    """Return a value as Markdown that renders as exactly its own characters, on one line."""
    shown = " ".join(visible(str(value)).split())
    return _MARKDOWN.sub(r"\\\1", _AUTOLINK.sub(rf"\1{_JOINER}", shown))


def visible(value: str) -> str:
    """Return the value without control characters, zero-width ones and those that reorder what is read."""
    return _INVISIBLE.sub("", value)


def short_source(source: str) -> str:
    """Return the end of a source's path: its name and the folders next to it."""
    parts = source.split("/")
    return source if len(parts) <= SHOWN_FOLDERS + 1 else "…/" + "/".join(parts[-SHOWN_FOLDERS - 1 :])
