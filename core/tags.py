"""HTML tags in a text, told from what only looks like one: a placeholder (`<token>`), a type, two comparisons."""

from __future__ import annotations

import re

_MARKUP = re.compile(
    r"abbr|blockquote|br|center|colgroup|d[dlt]|details|div|em|h[1-6r]|iframe|img|kbd|li|[ou]l|p|span|strong|su[bp]"
    r"|svg|t[dhr]|tbody|tfoot|thead|tt|wbr"
)
"""Elements whose names nobody gives to a placeholder."""
_WORDS = re.compile(
    r"a|address|applet|area|article|aside|audio|b|base|bd[io]|big|body|button|canvas|caption|cite|code|col|data|datalist"
    r"|del|dfn|dialog|embed|fieldset|figcaption|figure|font|footer|form|frame|frameset|head|header|html|i|input|ins"
    r"|label|legend|link|main|map|mark|marquee|math|menu|meta|meter|nav|noscript|object|optgroup|option|output|param"
    r"|picture|pre|progress|q|ruby|s|samp|script|section|select|small|source|strike|style|summary|table|template"
    r"|textarea|time|title|track|u|var|video"
)
"""Elements whose names are words and letters besides: a bare `<title>` or `<b>` may stand for what it names."""
_ATTRIBUTE = (
    r"[\s/]+(?:[\w:@.-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'=<>`]+)"
    r"|(?:async|checked|controls|defer|disabled|hidden|open|required|reversed|selected)(?![\w=-]))"
)
_TAG = re.compile(rf"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<attributes>(?:{_ATTRIBUTE})*)[\s/]*>")


def without_tags(text: str) -> str:
    """Return a text without its HTML tags; what is in angle brackets but is no tag stays as it is written.

    An element named like a word begins only where it has attributes, or the text also ends it.
    """
    ended = {found["name"].lower() for found in _TAG.finditer(text) if found["end"]}

    def left(found: re.Match[str]) -> str:
        name = found["name"].lower()
        used = found["end"] or found["attributes"] or name in ended
        return "" if _MARKUP.fullmatch(name) or (used and _WORDS.fullmatch(name)) else found[0]

    return _TAG.sub(left, text)
