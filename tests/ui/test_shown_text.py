"""What documents hold is shown as characters: no markup, no images, no links, no reordering."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import Answer, Citation, Claim, NearestPassage
from ui import escape, markup
from ui.markup import Passage, passage_of
from ui.run_view import outcome, upload_html
from ui.session import Upload
from ui.wire import Problem, RunRow

HOSTILE = '<img src=x onerror="alert(1)"><script>fetch(1)</script>![x](http://evil.example/a.png)[y](javascript:1)'


class Tags(HTMLParser):
    """Collects what a browser would make of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in {"href", "src"}:
                self.links.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def citation(marker: int = 1, **changed: object) -> Citation:
    values = {
        "marker": marker,
        "document_id": "d1",
        "version": 1,
        "title": "Leave",
        "source": "leave.md",
        "page": None,
        "start": 4,
        "end": 9,
        "quote": "quick",
        "score": 0.9,
    }
    return Citation(**{**values, **changed})  # type: ignore[arg-type]


def answer(text: str, *claims: Claim, citations: tuple[Citation, ...] = ()) -> Answer:
    return Answer("a1", "answered", text, None, claims, citations, (), "", "quote", 1, {})


@given(st.text())
def test_any_text_comes_out_of_html_as_it_went_in(value: str) -> None:
    html = Tags(f"<p>{escape.text(value)}</p>")
    assert html.names == ["p"]
    assert html.text == escape.visible(value)


def test_characters_that_reorder_or_hide_text_are_dropped() -> None:
    assert escape.text("pay \u202eevil\u2066 now\u200b\x00") == "pay evil now"


@pytest.mark.parametrize(
    "value", ["![i](http://e/x.png)", "[a](http://e)", "**b**", "`c`", "$x$", ":red[x]", "<b>", "# h"]
)
def test_labels_keep_markdown_as_characters(value: str) -> None:
    shown = escape.label(value)
    unescaped = [c for at, c in enumerate(shown) if c in "![]()<>*`$:#" and (at == 0 or shown[at - 1] != "\\")]
    assert unescaped == []
    assert shown.replace("\\", "").replace("\u2060", "") == value


@pytest.mark.parametrize("value", ["see http://evil.example/x", "HTTPS://e.example", "www.e.example", "ana@e.example"])
def test_labels_hold_nothing_that_becomes_a_link_by_itself(value: str) -> None:
    shown = escape.label(value).replace("\\", "")
    assert not re.search(r"https?://|www\.|\w@\w", shown, re.IGNORECASE)
    assert shown.replace("\u2060", "") == value


def test_an_answer_shows_hostile_text_as_text() -> None:
    text = f"{HOSTILE} [1]"
    html = Tags(
        markup.answer_html(answer(text, Claim(text, 0, len(text), (1,), "partial", 0.5), citations=(citation(),)))
    )
    assert set(html.names) <= {"div", "span", "a"}
    assert html.links == ["#source-a1-1"]
    assert HOSTILE in html.text


def test_only_markers_of_citations_become_links() -> None:
    text = "It is so. [1] The array a[7] stays. [2]"
    html = Tags(
        markup.answer_html(answer(text, Claim(text, 0, len(text), (1,), "supported", 1.0), citations=(citation(),)))
    )
    assert html.links == ["#source-a1-1"]
    assert "a[7]" in html.text
    assert "[2]" in html.text


def test_a_sentence_that_is_not_wholly_supported_is_marked() -> None:
    text = "First. Second."
    html = markup.answer_html(
        answer(text, Claim("First.", 0, 6, (), "supported", 1.0), Claim("Second.", 7, 14, (), "unsupported", 0.1))
    )
    assert '<span class="claim unsupported"' in html
    assert html.index("First.") < html.index("<span") < html.index("Second.")


def test_a_marker_leads_to_the_quote_inside_its_surroundings() -> None:
    document = "The quick brown fox. " * 60
    cited = citation(start=634, end=639, quote=document[634:639])
    html = markup.citation_html("a1", cited, passage_of(cited, document))
    assert f'<mark id="source-a1-1">{cited.quote}</mark>' in html
    shown = Tags(html).text
    assert document[500:634] in shown
    assert document[639:800] in shown


@pytest.mark.parametrize("title", ["<b>Leave</b>", HOSTILE])
def test_sources_show_hostile_titles_and_passages_as_text(title: str) -> None:
    cited = citation(title=title, source=title, quote=HOSTILE, also_in=(title,))
    html = Tags(markup.citation_html("a1", cited, Passage(HOSTILE, HOSTILE, HOSTILE)))
    html_near = Tags(markup.nearest_html([NearestPassage("d", title, title, 3, HOSTILE, 0.1)]))
    for tags in (html, html_near):
        assert set(tags.names) <= {"details", "summary", "span", "div", "mark", "p"}
        assert tags.links == []
        assert title in tags.text


def test_a_document_that_changed_is_said_to_have() -> None:
    passage = passage_of(citation(), "Something else entirely stands here now.")
    assert passage == Passage("", "quick", "", changed=True)
    assert "has changed" in markup.citation_html("a1", citation(), passage)


def test_without_its_document_a_quote_stands_alone() -> None:
    assert passage_of(citation(), None) == Passage("", "quick", "")


@pytest.mark.parametrize(
    ("run", "kind", "words"),
    [
        (None, "running", "being read"),
        (RunRow("r", "running", total=1), "running", "being read"),
        (RunRow("r", "done", added=1, chunks=3), "done", "ready"),
        (RunRow("r", "done", updated=1, chunks=3), "done", "replaced"),
        (RunRow("r", "done", unchanged=1), "done", "unchanged"),
        (
            RunRow("r", "done", failed=(Problem("a.pdf", "needs a password", "Encrypted"),)),
            "failed",
            "needs a password",
        ),
        (RunRow("r", "done", quarantined=(Problem("a.md", "holds instructions"),)), "held", "held for review"),
        (RunRow("r", "interrupted"), "failed", "interrupted"),
        (
            RunRow("r", "done", added=3, chunks=9, failed=(Problem("a.zip!/b.pdf", "needs a password", "Encrypted"),)),
            "failed",
            "came in, except for 1",
        ),
        (
            RunRow("r", "done", added=3, quarantined=(Problem("a.zip!/b.md", "holds instructions"),)),
            "held",
            "of what is in it: 1",
        ),
    ],
)
def test_an_upload_never_ends_without_a_word(run: RunRow | None, kind: str, words: str) -> None:
    shown = outcome(Upload("a", "r", run))
    assert shown[0] == kind
    assert words in shown[1]


def test_what_an_archive_holds_and_did_not_come_in_is_named_with_the_reason() -> None:
    failed = (Problem("a.zip!/b.pdf", "needs a <password>", "Encrypted"),)
    left = tuple(Problem(f"a.zip!/.git/{number}", "hidden file") for number in range(25))
    html = upload_html(Upload("a.zip", "r", RunRow("r", "done", added=3, chunks=9, failed=failed, left_out=left)))
    assert "a.zip!/b.pdf: did not come in, needs a &lt;password&gt;" in html
    assert "a.zip!/.git/0: left out, hidden file" in html
    assert "… and 5 more, left out" in html
