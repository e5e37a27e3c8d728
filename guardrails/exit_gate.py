"""The last gate before a text leaves: no images, no raw HTML, links only to cited documents or the allow-list.

It does not parse Markdown (parsers disagree, attackers choose the one that loses): it breaks the few
character pairs without which no dialect makes an image, a link or a tag, and takes URLs out of plain
text. Fuzzed with generated Markdown (`bench/rails.py`, figures in `docs/results/rails.md`); about 0.1 ms.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from core.tags import without_tags
from core.types import Evidence, RailStage
from guardrails.rail import Context, Finding

REMOVED = "(link removed)"
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
_FULLWIDTH = str.maketrans("［］（）＜＞：！", "[]()<>:!")
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]\n]{1,300})\]\((?P<url>https?://[^\s()<>\\\"'`&]{1,500})\)")
_IMAGE = re.compile(r"!\[(?P<alt>[^\[\]\n]{0,300})\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[[^\[\]\n]*\])")
_PLAIN_LINK = re.compile(r"\[(?P<text>[^\[\]\n]{0,300})\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_URL = re.compile(r"(?i)[a-z][a-z0-9+.-]{0,20}:(?:\\?/){2}[^\s<>\[\]\"'`|]*|www\.[^\s<>\[\]\"'`|]+")
_SCHEME = re.compile(r"(?i)\b(?:javascript|vbscript|data|file|mailto|xmpp|tel|blob|ftp|https?)\s*:(?=\S)")
_TEX = re.compile(
    r"\\(?:(?:href|url|html[A-Za-z]*)(?=\s*(?:%[^\n]*\n\s*)*\{)|includegraphics(?=\s*(?:%[^\n]*\n\s*)*[{\[]))"
)
"""Commands before their argument; without one, they are parts of a path (`\\\\files\\html\\release`)."""
_ENTITY = re.compile(
    r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);?)*(?P<last>(?:#[xX]?[0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});?)"
)
"""A character reference; those to the `&` of another (`&amp;lt;`) are read with it."""
_INERT = "$&*+,-?^_|~"
"""ASCII characters that, written as a reference, neither make nor spell anything active."""
_PLAIN_URL = re.compile(r"(?i)https?://[a-z0-9][a-z0-9.-]*(?::\d{1,5})?(?:/[\w./~+,=%-]*)?")
_TRAILING = ".,;:!?)*_~"
_PLACEHOLDER = "\ue000{}\ue001"
_PRIVATE = re.compile("[\ue000\ue001]")


class ExitGate:
    """Takes everything out of an answer that could make a reader's browser fetch or follow something."""

    name = "exit_gate"
    stages: frozenset[RailStage] = frozenset({"output"})
    threshold = 0.5

    def __init__(self, allowed_links: Iterable[str] = ()) -> None:
        self._allowed = tuple(allowed_links)

    def check(self, context: Context) -> Finding:
        """Score 1 when something had to be taken out; `redacted` is the text that may leave."""
        clean = self.clean(context.text, context.evidence)
        return Finding(0.0) if clean == context.text else Finding(1.0, "active_content", clean)

    def clean(self, text: str, evidence: Iterable[Evidence] = ()) -> str:
        """Return the text without images, tags and foreign links; cleaning twice changes nothing more."""
        shown = tuple(evidence)
        return self.neutral(text, [item.hit.source for item in shown], [item.hit.chunk.text for item in shown])

    def neutral(self, text: str, sources: Iterable[str], spoken: Sequence[str]) -> str:
        """Return the text as `clean` does, for cited documents at these sources whose own words are `spoken`."""
        cited = {source for source in sources if source.startswith(("http://", "https://"))}
        kept: list[str] = []

        def keep(match: re.Match[str]) -> str:
            if not self._may_link(match["url"], cited):
                return match["text"]
            kept.append(f"[{_broken(match['text'], spoken)}]({match['url']})")
            return _PLACEHOLDER.format(len(kept) - 1)

        text = _PRIVATE.sub("", _INVISIBLE.sub("", text)).translate(_FULLWIDTH)
        text = _LINK.sub(keep, text)
        text = self._until_stable(text, spoken, cited)
        for number, link in enumerate(kept):
            text = text.replace(_PLACEHOLDER.format(number), link)
        return text

    def _until_stable(self, text: str, spoken: Sequence[str], cited: set[str]) -> str:
        """Break, and break again what breaking put together (`<<b>script>`)."""
        for _ in range(8):
            broken = self._pass(text, spoken, cited)
            if broken == text:
                return text
            text = broken
        # Nothing of ours takes eight passes; a text built to do so leaves without any markup.
        return re.sub(r"[<>\[\]()!:\\&@]", " ", text)

    def _pass(self, text: str, spoken: Sequence[str], cited: set[str]) -> str:
        text = _IMAGE.sub(lambda match: match["alt"], text)
        text = without_tags(_without_comments(text))
        text = _PLAIN_LINK.sub(lambda match: f"[{match['text']}]" if match["text"].isdigit() else match["text"], text)
        text = _URL.sub(lambda match: self._url(match[0], spoken, cited), text)
        return _broken(text, spoken)

    def _url(self, url: str, spoken: Sequence[str], cited: set[str]) -> str:
        """A bare address: kept when it may be linked, without its scheme when the evidence spells it, else removed."""
        bare = url.rstrip(_TRAILING)
        rest = url[len(bare) :]
        if self._may_link(bare, cited) and not re.search(r"[\\()\ue000\ue001]", bare):
            return url
        if any(bare in passage for passage in spoken) and "\\" not in bare:
            return re.sub(r"(?i)^(?:[a-z][a-z0-9+.-]*:/+)?(?:www\.)?", "", bare) + rest
        return REMOVED + rest

    def _may_link(self, url: str, cited: set[str]) -> bool:
        return url in cited or any(_under(url, allowed) for allowed in self._allowed)


def _broken(text: str, spoken: Sequence[str]) -> str:
    """Break every pair that starts active content; what a person reads stays the same but for a space.

    A placeholder becomes `< token>`: as `<token>`, a page would take it for an element and show nothing.
    """
    text = _ENTITY.sub(_entity, text)
    text = text.replace("](", "] (").replace("]:", "] :").replace("![", "! [")
    text = re.sub(r"<(?=[A-Za-z/!?]|[^\s<>@]+@)", "< ", text)
    text = _SCHEME.sub(lambda match: match[0] + " " if not _is_url(text, match) else match[0], text)
    text = re.sub(r"(?i)(?<!//)(www\.)(?=\S)", r"\1 ", text)
    return _TEX.sub("", text)


def _without_comments(text: str) -> str:
    """Return the text without HTML comments; not by a pattern, which reads on to the end from each that has none."""
    kept, after = [], 0
    while (start := text.find("<!--", after)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[after:start])
        after = end + 3
    return "".join([*kept, text[after:]])


def _is_url(text: str, match: re.Match[str]) -> bool:
    """Whether a scheme belongs to an address that an earlier step let through."""
    return text.startswith("//", match.end())


def _entity(match: re.Match[str]) -> str:
    """Spell out an entity that hides markup or an address; an accent, a dash or an `&amp;` stays as it is."""
    value = html.unescape(f"&{match['last']}")
    first = value[:1]  # what follows it is spelt out already
    return value if first.isascii() and first not in _INERT else match[0]


def _under(url: str, allowed: str) -> bool:
    """Whether an address lies under an allowed one: same scheme and host, path below it, no query that carries data."""
    if not _PLAIN_URL.fullmatch(url):
        return False
    ours, theirs = urlsplit(allowed if "://" in allowed else f"https://{allowed}"), urlsplit(url)
    if theirs.query or theirs.fragment or "@" in theirs.netloc or ".." in theirs.path or "%" in theirs.path:
        return url == allowed
    base = ours.path.rstrip("/")
    same_place = (theirs.scheme, theirs.netloc.lower()) == (ours.scheme, ours.netloc.lower())
    return same_place and (theirs.path.rstrip("/") == base or theirs.path.startswith(f"{base}/"))
