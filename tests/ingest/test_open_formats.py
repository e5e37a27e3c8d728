"""OpenDocument text and sheets: remarks and hidden words kept apart, rows read as the sheet shows them."""

from __future__ import annotations

import pytest

from ingest.parsers.odf import MAX_REPEATED
from tests.ingest.samples import zipped

SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (("office", "office"), ("text", "text"), ("table", "table"), ("style", "style"), ("fo", "fo"))
)
COMMENT = (
    '<office:annotation><dc:creator xmlns:dc="d">Mia Lang</dc:creator><dc:date xmlns:dc="d">2026-05-01T10:00</dc:date>'
    "<text:p>I think 400 euros.</text:p></office:annotation>"
)
NOTE = "<text:note><text:note-citation>1</text:note-citation><text:note-body>{}</text:note-body></text:note>"


def document(kind: str, body: str, styles: str = "", **more: str) -> bytes:
    content = f"<office:automatic-styles>{styles}</office:automatic-styles><office:body>{body}</office:body>"
    return zipped(
        mimetype=f"application/vnd.oasis.opendocument.{kind}",
        **{"content.xml": f"<office:document-content {SPACES}>{content}</office:document-content>"},
        **{"META-INF__manifest.xml": "<manifest/>"},
        **more,
    )


def style(name: str, properties: str) -> str:
    return f'<style:style style:name="{name}"><style:text-properties {properties}/></style:style>'


def p(text: str) -> str:
    return f"<text:p>{text}</text:p>"


def cell(text: str = "", properties: str = "") -> str:
    return f"<table:table-cell {properties}>{p(text) if text else ''}</table:table-cell>"


def row(*cells: str, repeated: int = 1) -> str:
    return f'<table:table-row table:number-rows-repeated="{repeated}">{"".join(cells)}</table:table-row>'


def table(*rows: str) -> str:
    return f'<table:table table:name="Sheet1">{"".join(rows)}</table:table>'


def test_comments_and_notes_are_no_part_of_the_sentence(read) -> None:
    body = p(f"Towing is paid{COMMENT} per case.{NOTE.format(p('At home only.'))}")
    body += table(row(cell("Kind"), cell("Rate")), row(cell(f"Theft{COMMENT}"), cell("5")))
    body += f"<text:list><text:list-item>{p('Glass' + NOTE.format(p('Panes.')))}</text:list-item></text:list>"
    assert read("a.odt", document("text", body)).text.split("\n\n") == [
        "Towing is paid per case.", "Comment (Mia Lang): I think 400 euros.", "At home only.",
        "| Kind | Rate |\n| --- | --- |\n| Theft | 5 |", "Comment (Mia Lang): I think 400 euros.", "- Glass", "Panes.",
    ]  # fmt: skip


def test_hidden_words_are_left_out_and_reported(read) -> None:
    styles = style("T1", 'text:display="none"') + style("T2", 'style:text-position="super 58%"')
    body = p(
        'It is 28<text:span text:style-name="T2">1</text:span> days<text:span text:style-name="T1"> or 20</text:span>.'
    )
    body += f'<text:section text:display="none">{p("Old rules.")}</text:section>'
    found = read("a.odt", document("text", body, styles))
    assert found.text == "It is 28¹ days."
    assert found.report["hidden_text"] == [" or 20", "Old rules."]


def test_rows_of_a_sheet_that_repeat_are_read_as_often_as_they_are_shown(read) -> None:
    rows = (
        row(cell("Hours of May", 'table:number-columns-spanned="3"'), "<table:covered-table-cell/>" * 2),
        row(cell("Day"), cell("Hours"), cell("Place")),
        row(cell("free"), cell("0"), cell("home"), repeated=3),
        row(cell("Fri"), cell("6"), cell("Bremen", 'table:number-rows-spanned="2"')),
        row(cell("Sat"), cell("2"), "<table:covered-table-cell/>"),
        row(cell(), repeated=1_000_000),
        row(cell("x"), cell("y"), repeated=1_000),
    )
    found = read("Hours 2026.ods", document("spreadsheet", table(*rows)))
    assert found.title == "Hours 2026"
    assert found.text.startswith(
        "Sheet1\n\nHours of May\n\n| Day | Hours | Place |\n| --- | --- | --- |\n"
        + "| free | 0 | home |\n" * 3
        + "| Fri | 6 | Bremen |\n| Sat | 2 | Bremen |\n\n| x | y |\n"
    )
    assert found.text.count("| x | y |") == MAX_REPEATED


def test_repeated_rows_fill_no_memory(read) -> None:
    rows = [row(*[cell("long " * 100)] * 20, repeated=1_000)] * 100
    assert len(read("a.ods", document("spreadsheet", table(*rows))).text) < 10_000_000


@pytest.mark.parametrize(("title", "shown"), [("Hours of the depots", "Hours of the depots"), ("Untitled", "a")])
def test_a_sheet_is_titled_by_itself_or_its_file(read, title: str, shown: str) -> None:
    meta = f'<office:document-meta {SPACES}><dc:title xmlns:dc="d">{title}</dc:title></office:document-meta>'
    assert read("a.ods", document("spreadsheet", table(row(cell("x"))), **{"meta.xml": meta})).title == shown
