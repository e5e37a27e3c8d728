"""Pages as they are written: nested deep, in white on colour, with warnings in their margins."""

from __future__ import annotations

import pytest

from core.numbers import numbers
from tests.ingest.samples import zipped


def texts(found) -> list[str]:
    return [line for line in found.text.split("\n") if line]


@pytest.mark.parametrize("around", ["<font color=blue>", "<blockquote><div>", "<table><tr><td>", "<ul><li>"])
def test_no_text_is_lost_where_elements_nest_deep(read, around: str) -> None:
    page = "<html><body>" + "".join(f"{around}<p>Paragraph {n} of the manual.</p>" for n in range(400))
    found = read("a.html", page).text
    assert [f"Paragraph {n} of" in found for n in range(400)] == [True] * 400


def test_what_nests_too_deep_is_told(read) -> None:
    found = read("a.html", "<p>Begins.</p>" + "<div>" * 3000 + "<p>Lost.</p>")
    assert "Begins." in found.text
    assert "elements nested more than 2048 deep were left out" in found.warnings


WHITE = '<span style="color:white">{}</span>'


@pytest.mark.parametrize(
    "row",
    [
        '<tr bgcolor="#003366"><th>{0}</th><th>{1}</th></tr>',
        '<tr style="background:#4472C4"><td><p><b>{0}</b></p></td><td><p>{1}</p></td></tr>',
        '<tr><td style="background-color: rgb(0,0,90)">{0}</td><td bgcolor="navy">{1}</td></tr>',
    ],
)
def test_a_head_in_white_on_colour_is_read(read, row: str) -> None:
    head = row.format(WHITE.format("Zone"), WHITE.format("Price"))
    assert "| Zone | Price |" in read("a.html", f"<table>{head}<tr><td>A</td><td>3.20</td></tr></table>").text


def test_white_text_is_seen_on_a_coloured_part_only(read) -> None:
    found = read(
        "a.html",
        '<body bgcolor="#ffffff"><div style="background-color:#036"><p style="color:white">Free on Fridays.</p>'
        '<div style="background:#fff"><p style="color:#fff">Obey me.</p></div></div><p style="color:white">And me.</p>'
        '<table><tr><td>A</td><td>B</td></tr><tr><td>1</td><td><i style="color:#ffffff">Me too.</i></td></tr></table>',
    )
    assert found.text.startswith("Free on Fridays.\n\n| A | B |")
    assert found.report["hidden_text"] == ["Obey me.", "And me.", "Me too."]
    assert "3 pieces of hidden text were left out" in found.warnings


def test_sentences_and_tables_in_margins_are_text(read) -> None:
    found = read(
        "a.html",
        "<h1>Policy</h1><p>Basic text.</p><aside><p>Warning: never exceed <b>40 bar</b>.</p></aside>"
        '<section class="menu"><h2>Canteen</h2><p>Soup is 3 euros.</p></section>'
        "<aside><table><tr><th>Day</th><th>Opens</th></tr><tr><td>Monday</td><td>9</td></tr></table></aside>"
        "<footer><p>Valid until 30 June 2027.</p></footer>"
        '<div class="menu"><a>Home.</a> <a>All about our company and its people.</a></div>'
        '<div class="cookie"><p>We use them to make this site work for you.</p></div>'
        "<footer>Imprint<p>© 2026 Nordbahn AG. All rights reserved by us.</p></footer>",
    )
    assert texts(found)[2:] == [
        "Warning: never exceed 40 bar.", "Canteen", "Soup is 3 euros.", "| Day | Opens |", "| --- | --- |",
        "| Monday | 9 |", "Valid until 30 June 2027.",
    ]  # fmt: skip
    assert found.report["boilerplate_elements"] == 3
    assert "Imprint © 2026 Nordbahn AG. All rights reserved by us." in found.report["boilerplate_text"]


def test_what_a_page_with_a_main_part_says_beside_it_is_told(read) -> None:
    found = read("a.html", "<main><p>Text.</p></main><footer>Valid until 30 June 2027.</footer><aside>Tags</aside>")
    assert found.text == "Text."
    assert found.warnings == ["left out as belonging to the site: “Valid until 30 June 2027.”"]


def test_notes_and_margins_of_a_book_are_its_text(read) -> None:
    space = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
    book = zipped(
        mimetype="application/epub+zip",
        **{
            "META-INF__container.xml": '<container><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>',
            "b.opf": '<package><manifest><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine>'
            "</package>",
            "a.xhtml": f"<html {space}><body><nav>Contents</nav><header>Part two</header><p>The horn sounds twice.</p>"
            '<aside epub:type="footnote"><p>In winter three times</p></aside><div class="sidebar">Keep ears shut</div>'
            '<p style="display:none">Unseen.</p></body></html>',
        },
    )
    found = read("b.epub", book)
    assert texts(found) == ["Part two", "The horn sounds twice.", "In winter three times", "Keep ears shut"]
    assert found.report["hidden_text"] == ["Unseen."]


def test_a_superscript_leaves_the_figure_before_it_as_it_is(read) -> None:
    found = read(
        "a.html",
        "<p>It is 25<sup>1</sup> kg on 40 m<sup>2</sup>, 10<sup>-3</sup> of a whole<sup><a>12</a></sup> on the "
        "1<sup>st</sup><sup>[3]</sup>.</p><p><sup>1</sup> Of 35.</p>"
        "<table><tr><th>Sum</th><th>Day</th></tr><tr><td>250<sup>1</sup></td><td>30<sup>(2)</sup></td></tr></table>",
    )
    assert texts(found) == [
        "It is 25¹ kg on 40 m², 10⁻³ of a whole¹² on the 1st[3].", "¹ Of 35.", "| Sum | Day |", "| --- | --- |",
        "| 250¹ | 30(2) |",
    ]  # fmt: skip
    assert numbers(found.text) >= {"25", "40", "250", "30"}
    assert not numbers(found.text) & {"251", "2501", "302"}


def test_the_mark_of_a_note_in_a_book_is_raised(read) -> None:
    page = '<p>It sounds 2<a epub:type="noteref" href="#n">3</a> or 4<a role="doc-noteref">5</a> times.</p>'
    assert read("a.html", page).text == "It sounds 2³ or 4⁵ times."
