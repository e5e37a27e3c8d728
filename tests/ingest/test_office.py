"""Word documents and presentations: figures stay what they are, and remarks are told from the document's own words."""

from __future__ import annotations

import io

import pytest
from lxml import etree
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.presentation import Presentation as PresentationFile

from ingest.parsers.docx_math import math_text
from ingest.parsers.docx_symbols import spelled, symbol
from ingest.parsers.raised import raised
from tests.ingest.samples import zipped
from tests.ingest.test_parse import word

MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(runs)}</w:p>"


def cell(*content: str) -> str:
    return f"<w:tc>{''.join(content)}</w:tc>"


def equation(content: str) -> str:
    """Return an equation whose figures and words are written without the elements around them."""
    return f'<m:oMath xmlns:m="{MATH}">{content}</m:oMath>'


def m(name: str, *parts: str) -> str:
    return f"<m:{name}>{''.join(parts)}</m:{name}>"


def t(text: str) -> str:
    return m("r", m("t", text))


FRACTION = m("f", m("num", t("3")), m("den", t("4")))
SQUARE = m("sSup", m("e", t("10")), m("sup", t("2")))
RAISED = '<w:vertAlign w:val="superscript"/>'


def test_equations_and_superscripts_of_word_leave_figures_as_they_are(read) -> None:
    body = paragraph(run("The share is "), equation(FRACTION), run(" of 2"), equation(FRACTION), run(" parts."))
    body += paragraph(
        run("Yards of "), equation(SQUARE), run(" m"), run("2", RAISED), run(" hold 251"), run("1", RAISED)
    )
    body += paragraph(run("H"), run("2", '<w:vertAlign w:val="subscript"/>'), run("O on the 1"), run("st", RAISED))
    assert read("a.docx", word(body)).text.split("\n\n") == [
        "The share is 3/4 of 2 3/4 parts.", "Yards of 10² m² hold 251¹", "H2O on the 1st",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (FRACTION, "3/4"),
        (t("2") + FRACTION, "2 3/4"),
        (m("f", m("num", t("a+b")), m("den", t("2"))), "(a+b)/2"),
        (SQUARE, "10²"),
        (m("sSup", m("e", t("x")), m("sup", t("2"))), "x²"),
        (m("sSup", m("e", t("10")), m("sup", t("−6"))), "10⁻⁶"),
        (m("sSup", m("e", t("a+b")), m("sup", t("k+1"))), "(a+b)^(k+1)"),
        (m("sSubSup", m("e", t("x")), m("sub", t("1")), m("sup", t("2"))), "x_1²"),
        (m("rad", m("deg"), m("e", t("a+b"))), "√(a+b)"),
        (m("rad", m("deg", t("3")), m("e", t("8"))), "³√8"),
        (m("nary", m("naryPr", '<m:chr m:val="∑"/>'), m("sub", t("i=1")), m("sup", t("n")), m("e", t("i"))),
         "∑_(i=1)^n i"),
        (m("func", m("fName", t("sin")), m("e", t("x"))), "sin x"),
        (m("d", m("dPr", '<m:begChr m:val="["/><m:endChr m:val=""/>'), m("e", t("a")), m("e", t("b"))), "[a|b"),
        (m("d", m("e", m("m", m("mr", m("e", t("1")), m("e", t("2"))), m("mr", m("e", t("3")))))), "(1, 2; 3)"),
        (m("bar", m("barPr"), m("e", t("x"))), "x"),
    ],
)  # fmt: skip
def test_an_equation_is_written_in_one_line(written: str, shown: str) -> None:
    assert math_text(etree.fromstring(equation(written))) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("2", "²"), ("-6", "⁻⁶"), ("1, 2", "¹, ²"), ("st", "st"), ("a", "a"), ("½", "½"), ("", "")],
)
def test_a_superscript_changes_nothing_before_it(text: str, shown: str) -> None:
    assert raised(text) == shown


def test_symbols_are_the_characters_that_their_fonts_show(read) -> None:
    body = paragraph(run("Tolerance "), '<w:r><w:sym w:font="Symbol" w:char="F0B1"/></w:r>', run(" 5 degrees"))
    body += paragraph('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>', run(" Paid"))
    body += paragraph(run("\uf061", '<w:rFonts w:ascii="Symbol"/>'), run(" particles"))
    assert read("a.docx", word(body)).text == "Tolerance ± 5 degrees\n\n☑ Paid\n\nα particles"
    assert (symbol("Symbol", "B3"), symbol("Unheard", "F041"), symbol("Arial", "41"), symbol("x", "")) == (
        "≥",
        "",
        "A",
        "",
    )
    assert spelled("abc", "Symbol") == "abc"


def test_notes_and_comments_stand_where_they_belong_and_say_what_they_are(read) -> None:
    body = paragraph(run("Towing is paid."), '<w:r><w:commentReference w:id="0"/></w:r>')
    body += paragraph(run("The excess is 250 euros."), '<w:r><w:footnoteReference w:id="2"/></w:r>')
    asked = paragraph(run("14 days"), '<w:r><w:commentReference w:id="1"/></w:r>')
    body += f"<w:tbl><w:tr>{cell(paragraph(run('Wait')))}{cell(asked)}</w:tr></w:tbl>"
    body += paragraph(run("Appeals"), properties='<w:pStyle w:val="H1"/>')
    comments = "".join(
        f'<w:comment w:id="{number}" w:author="{author}">{paragraph(run(text))}</w:comment>'
        for number, author, text in ((0, "Mia Lang", "I think 400 euros."), (1, "", "Why?"), (9, "Mia Lang", "Done."))
    )
    note = f'<w:footnote w:id="2">{paragraph(run(" 900 euros under 23."))}</w:footnote>'
    found = read("a.docx", word(body, comments=comments, footnotes=note))
    assert found.text.split("\n\n") == [
        "Towing is paid.", "Comment (Mia Lang): I think 400 euros.", "The excess is 250 euros.", "900 euros under 23.",
        "| Wait | 14 days |\n| --- | --- |", "Comment: Why?", "Appeals", "Comment (Mia Lang): Done.",
    ]  # fmt: skip


def test_a_table_in_a_cell_is_one_line_without_rules(read) -> None:
    inner = "".join(
        f"<w:tr>{''.join(cell(paragraph(run(text))) for text in row)}</w:tr>"
        for row in (("Pane", "Maximum"), ("Shopfront", "1,900 euros"))
    )
    hidden = paragraph(run("Secret.", "<w:vanish/>"))
    body = f"<w:tbl><w:tr>{cell(paragraph(run('Glass')))}{cell(f'<w:tbl>{inner}</w:tbl>', hidden)}</w:tr></w:tbl>"
    found = read("a.docx", word(body))
    assert found.text.splitlines()[0] == "| Glass | Pane / Maximum; Shopfront / 1,900 euros |"
    assert found.report["hidden_text"] == ["Secret."]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (r"{\header Nordlicht\par}Leave{\footnote As of 2026.} is 28 days\par{\header Nordlicht\par}End.\par",
         ["Nordlicht", "Leave is 28 days", "As of 2026.", "End."]),
        (r"{\header Nordlicht}{\footer \pard Page}\pard Leave\par", ["Nordlicht", "Page", "Leave"]),
        (r"It is 28 {\deleted old 20 }days{\v not shown}.\par", ["It is 28 days."]),
        (r"It is \deleted 20 \plain 28 days\v not shown\v0 .\par", ["It is 28 days."]),
        (r"Towing{\*\atnid ML}{\*\atnauthor Mia Lang}{\*\annotation{\*\atnref 0}\pard I think 400.\par} is paid.\par",
         ["Towing is paid.", "Comment (Mia Lang): I think 400."]),
        (r"\trowd a{\footnote Note.}\cell b\cell\row\pard After\par", ["| a | b |\n| --- | --- |", "After", "Note."]),
        (r"251{\super 1} and m{\super 2}\par", ["251¹ and m²"]),
        (r"Broken{\*\annotation off", ["Broken", "Comment: off"]),
        (r"{\*\pgdsctbl{\pgdsc0{\header Style}}}Text\par", ["Text"]),
    ],
)  # fmt: skip
def test_rich_text_keeps_apart_what_stands_apart(read, text: str, lines: list[str]) -> None:
    found = read("a.rtf", rf"{{\rtf1\ansi {text}}}")
    assert found.text.split("\n\n") == lines
    assert found.report.get("hidden_text", ["not shown"]) == ["not shown"]


def saved(presentation: PresentationFile) -> bytes:
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def test_a_chart_is_the_table_it_is_drawn_from(read) -> None:
    data = CategoryChartData(number_format="0%")
    data.categories = ["Q1", "Q2", "Q3"]
    data.add_series("North", (0.1, 0.2, 0.1))
    data.add_series("South", (0.1, None, 0.25))
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 3_000_000, 3_000_000, data).chart
    chart.has_title, chart.chart_title.text_frame.text = True, "Share by region"
    assert read("a.pptx", saved(presentation)).text == (
        "Share by region\n\n| | North | South |\n| --- | --- | --- |\n"
        "| Q1 | 10% | 10% |\n| Q2 | 20% | |\n| Q3 | 10% | 25% |"
    )


def test_superscripts_of_slides_leave_figures_as_they_are(read) -> None:
    presentation = Presentation()
    box = presentation.slides.add_slide(presentation.slide_layouts[6]).shapes.add_textbox(0, 0, 3_000_000, 900_000)
    for text, baseline in (
        ("Yards hold 251", "0"),
        ("1", "30000"),
        (" m", None),
        ("2", "30000"),
        (" of H", None),
        ("2", "-25000"),
        ("O", None),
    ):
        run = box.text_frame.paragraphs[0].add_run()
        run.text = text
        if baseline is not None:
            run.font._element.set("baseline", baseline)
    assert read("a.pptx", saved(presentation)).text == "Yards hold 251¹ m² of H2O"


@pytest.mark.parametrize("modern", [False, True])
def test_comments_on_slides_say_who_made_them(read, modern: bool) -> None:
    said = "<txBody><p><r><t>{}</t></r></p></txBody>" if modern else "<text>{}</text>"
    answer = f'<replyLst><reply authorId="2">{said.format("Yes.")}</reply></replyLst>' if modern else ""
    authors = '<authors><author id="1" name="Mia Lang"/><author id="2" name="Ben"/></authors>'
    rels = '<Relationships><Relationship Id="r1" Target="../comments/comment1.xml"/></Relationships>'
    content = {
        "[Content_Types].xml": "<Types/>",
        "ppt__slides__slide1.xml": "<sld><sp><p><r><t>Launch in May</t></r></p></sp></sld>",
        "ppt__slides___rels__slide1.xml.rels": rels,
        "ppt__comments__comment1.xml": f'<cmLst><cm authorId="1">{answer}{said.format("Surely June?")}</cm></cmLst>',
        "ppt__authors.xml" if modern else "ppt__commentAuthors.xml": authors,
    }
    expected = ["Launch in May", "Comment (Mia Lang): Surely June?", *(["Comment (Ben): Yes."] if modern else [])]
    assert read("a.pptx", zipped(**content)).text.split("\n\n") == expected
