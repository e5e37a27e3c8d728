"""What of an HTML page is no text of it: what is hidden, and the furniture of the site around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

UNREAD = {
    "script", "style", "noscript", "template", "nav", "svg", "canvas", "iframe", "object", "embed", "button", "select",
    "input", "textarea", "head", "video", "audio", "map", "dialog", "datalist",
}  # fmt: skip
MIN_SENTENCE_WORDS = 4  # "Soup is 3 euros."
MAX_TOLD = 5  # parts that a warning names

_NAVIGATION_ROLES = {"navigation", "search", "menu", "menubar"}
_SIDE_ROLES = {"banner", "contentinfo", "complementary"}
_NAVIGATION_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|breadcrumbs?|cookie|cookies|skip-link|skiplink|social|share|pagination|"
    r"toolbar|usa-banner)(?:$|[\s_-])",
    re.IGNORECASE,
)
_SIDE_NAMES = re.compile(r"(?:^|[\s_-])(?:menu|sidebar|site-footer|site-header)(?:$|[\s_-])", re.IGNORECASE)
_OF_SITES = re.compile(
    r"©|\(c\) |copyright|rights reserved|cookie|newsletter|subscribe|follow us|sign (?:up|in)|log ?in|powered by|"
    r"javascript",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_INLINE = {"b", "strong", "i", "em", "u", "span", "font", "sup", "sub", "small", "abbr", "code", "mark", "q", "time"}

_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em|rem|%)?\s*(?:;|$)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$)|"
    r"(?:left|top|text-indent)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_WHITE = r"(?:#fff(?:fff)?\b|white\b|rgba?\(\s*255\s*,\s*255\s*,\s*255)"
_IN_WHITE = re.compile(rf"(?:^|;)\s*color\s*:\s*{_WHITE}", re.IGNORECASE)
_GROUND = re.compile(r"(?:^|;)\s*background(?:-color|-image)?\s*:\s*([^;]+)", re.IGNORECASE)
_WHITE_GROUND = re.compile(rf"\s*{_WHITE}[^;]*$", re.IGNORECASE)
_NO_GROUND = {"transparent", "none", "inherit", "initial", "unset", ""}


def is_hidden(node: Any) -> bool:
    """Tell whether nobody who looks at the page sees an element."""
    if node.get("hidden") is not None or node.tag == "input":
        return True
    style = node.get("style")
    if not style:
        return False
    return bool(_HIDDEN.search(style)) or (bool(_IN_WHITE.search(style)) and not _on_colour(node))


def _on_colour(node: Any) -> bool:
    """Tell whether white text is seen: the nearest ground stated for it or around it is not white."""
    for element in (node, *node.iterancestors()):
        ground = _ground(element)
        if ground is not None:
            return not _WHITE_GROUND.match(ground)
    return False


def _ground(element: Any) -> str | None:
    """Return the ground that an element states, None where what is around it shines through."""
    stated = [*_GROUND.findall(element.get("style") or ""), element.get("bgcolor"), element.get("background")]
    grounds = (ground.strip() for ground in stated if ground)
    return next((ground for ground in grounds if ground.lower() not in _NO_GROUND), None)


@dataclass(slots=True)
class Furniture:
    """The parts of a page that belong to the site around it; counts what it is asked about and holds."""

    by_name: bool = True
    """Whether classes and ids tell furniture, as they do not where most of the page is named so."""
    judged: bool = True
    """Whether sentences and tables in a margin make it text: a page that marks its main part says so itself."""
    everywhere: bool = True
    count: int = 0
    left_out: list[str] = field(default_factory=list)
    """The words of the parts held."""
    sentences: list[str] = field(default_factory=list)
    """Those of them with sentences or tables."""

    @classmethod
    def of(cls, root: Any) -> Furniture:
        """Return how furniture is told on a page."""
        marked = next(root.iter("main", "article"), None) is not None
        return cls(by_name=_named_is_small(root), judged=not marked)

    @classmethod
    def nothing(cls) -> Furniture:
        """Return that nothing is furniture."""
        return cls(everywhere=False)

    def holds(self, node: Any, tag: str) -> bool:
        """Tell whether an element is furniture, and note it."""
        if not self.everywhere:
            return False
        navigation = _is_navigation(node, self.by_name)
        if not navigation and not _is_margin(node, tag, self.by_name):
            return False
        said = list(_said(node))
        is_text = not navigation and (_has_sentence(said) or _has_table(node))
        if is_text and self.judged:
            return False
        self.count += 1
        if said:
            self.left_out.append(" ".join(said))
            self.sentences += self.left_out[-1:] if is_text else []
        return True

    def warnings(self) -> list[str]:
        """Return which parts with sentences were left out."""
        if not self.sentences:
            return []
        told = [f"“{text[:60]}{'…' if len(text) > 60 else ''}”" for text in self.sentences[:MAX_TOLD]]
        more = len(self.sentences) - len(told)
        return [f"left out as belonging to the site: {', '.join(told)}{f' and {more} more' if more else ''}"]


def _is_navigation(node: Any, by_name: bool) -> bool:
    return (node.get("role") or "").lower() in _NAVIGATION_ROLES or (by_name and _named(node, _NAVIGATION_NAMES))


def _is_margin(node: Any, tag: str, by_name: bool) -> bool:
    """Tell whether an element stands beside the text: a header, a footer, a margin or a menu."""
    if tag in ("header", "footer", "aside"):
        inside = any(parent.tag in ("main", "article") for parent in node.iterancestors())
        return not inside and node.find(".//h1") is None
    return (node.get("role") or "").lower() in _SIDE_ROLES or (by_name and _named(node, _SIDE_NAMES))


def _named(node: Any, names: re.Pattern[str]) -> bool:
    if node.tag not in ("div", "ul", "ol", "section", "p", "a", "table"):
        return False
    return bool(names.search(f"{node.get('class') or ''} {node.get('id') or ''}"))


def _named_is_small(root: Any) -> bool:
    """Tell whether leaving out elements named like navigation loses less than half of the words."""
    total = sum(len(text) for text in root.itertext())
    named = sum(
        len("".join(node.itertext()))
        for node in root.iter("div", "ul", "ol", "section", "table")
        if _named(node, _NAVIGATION_NAMES) or _named(node, _SIDE_NAMES)
    )
    return named < total / 2


def _said(node: Any) -> Iterator[str]:
    """Yield the lines of an element's own words: what is shown and no link."""
    from lxml.etree import iterwalk

    parts: list[str] = []
    walk = iterwalk(node, events=("start", "end"))
    for event, element in walk:
        if element.tag not in _INLINE and element.tag != "a":
            parts.append("\n")
        if event == "end":
            parts.append(_flat(element.tail) if element is not node else "")
        elif not isinstance(element.tag, str) or element.tag in UNREAD or element.tag == "a" or is_hidden(element):
            walk.skip_subtree()
        else:
            parts.append(_flat(element.text))
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return (line for line in lines if any(character.isalnum() for character in line))


def _flat(text: str | None) -> str:
    """Return text of the source without its line breaks, which end no line of the page."""
    return (text or "").replace("\n", " ")


def _has_sentence(lines: list[str]) -> bool:
    """Tell whether lines hold a sentence that is not one of those that sites say on every page."""
    return any(
        sentence[-1:] in ".!?" and len(sentence.split()) >= MIN_SENTENCE_WORDS
        for line in lines
        if not _OF_SITES.search(line)
        for sentence in _SENTENCE_END.split(line)
    )


def _has_table(node: Any) -> bool:
    rows = [[cell for cell in row if cell.tag in ("td", "th") and any(_said(cell))] for row in node.iter("tr")]
    return sum(len(row) >= 2 for row in rows) >= 2
