"""Tables of figures in PDFs: columns from places, heads over them, rows that read alone."""

from __future__ import annotations

from ingest.parsers.pdf_heads import heads_table
from ingest.parsers.pdf_layout import page_blocks
from ingest.parsers.printed import PrintedLine, figure_regions, is_row
from tests.ingest.test_parse import pdf

WORD_WIDTH = 5.0  # points a character


def line(y: float, *placed: tuple[float, str], bold: bool = False) -> PrintedLine:
    """A printed line: texts that begin at given places, words five points a character."""
    words = []
    for left, text in placed:
        for word in text.split():
            words.append((word, left, left + WORD_WIDTH * len(word)))
            left += WORD_WIDTH * (len(word) + 0.5)
    text = " ".join(text for _, text in placed)
    return PrintedLine(text, (words[0][1], y, words[-1][2], y + 10.0), bold, words)


def right(edge: float, text: str) -> tuple[float, str]:
    """A text that ends at a place."""
    return edge - WORD_WIDTH * (len(text) - 0.5 * text.count(" ")), text


STATEMENT = [
    line(20, (50, "Consolidated Statement of Income"), bold=True),
    line(32, (300, "Three Months Ended June 30,"), (450, "Six Months Ended June 30,")),
    line(44, (50, "(in millions)"), right(350, "2023"), right(420, "2022"), right(500, "2023"), right(570, "2022")),
    line(56, (50, "Revenue:")),
    line(
        68, (50, "Products"), right(350, "$ 1,204"), right(420, "$ 1,100"), right(500, "$ 2,410"), right(570, "$ 2,200")
    ),
    line(80, (50, "Services and other"), right(350, "96"), right(420, "—"), right(500, "190"), right(570, "(12)")),
    line(92, (50, "Gain on sale of a")),
    line(104, (50, "business"), right(350, "5"), right(500, "5")),
    line(116, (50, "Total"), right(350, "1,305"), right(420, "1,100"), right(500, "2,605"), right(570, "2,188")),
]


def table_of(lines: list[PrintedLine]) -> list[str]:
    tables = [block for block in page_blocks(lines, 1, 10.0) if block.kind == "table"]
    assert len(tables) == 1
    return [printed.text for printed in tables[0].lines]


def test_figures_keep_their_columns_and_the_columns_their_heads() -> None:
    rows = table_of(STATEMENT)
    assert rows[0] == (
        "| (in millions) | Three Months Ended June 30, 2023 | Three Months Ended June 30, 2022 "
        "| Six Months Ended June 30, 2023 | Six Months Ended June 30, 2022 |"
    )
    assert rows[2:5] == [
        "| Revenue: |",
        "| Products | $1,204 | $1,100 | $2,410 | $2,200 |",
        "| Services and other | 96 | — | 190 | (12) |",
    ]


def test_a_label_on_two_lines_is_one_row_with_empty_cells_where_nothing_stands() -> None:
    assert "| Gain on sale of a business | 5 | | 5 | |" in [" ".join(row.split()) for row in table_of(STATEMENT)]


def test_a_heading_above_a_table_stays_a_heading() -> None:
    first = page_blocks(STATEMENT, 1, 10.0)[0]
    assert (first.kind, first.lines[0].text) == ("heading", "Consolidated Statement of Income")


def test_rows_whose_words_have_no_places_stay_as_printed() -> None:
    for printed in STATEMENT:
        printed.words.clear()
    assert "Total 1,305 1,100 2,605 2,188" in table_of(STATEMENT)


def test_a_row_of_years_begins_the_next_table() -> None:
    years = line(130, (50, "Shares"), right(400, "2023"), right(500, "2022"))
    more = [line(142 + 12 * n, (50, "Held"), right(400, f"{n}5"), right(500, f"{n}7")) for n in range(3)]
    assert len(figure_regions([*STATEMENT, years, *more])) == 2


def test_prose_with_figures_is_no_row() -> None:
    assert not is_row("For the years ended December 31, 2022 and 2021, sales grew by 4 % to 12,300 in all our regions.")
    assert is_row("Net cash used in investing activities (12) 4")


def test_no_line_of_a_page_is_lost() -> None:
    blocks = page_blocks(STATEMENT, 1, 10.0)
    printed = " ".join(printed.text for block in blocks for printed in block.lines)
    for word in (
        "Income",
        "Products",
        "Services",
        "business",
        "1,305",
        "2,188",
        "(12)",
        "Revenue:",
        "millions)",
        "Six",
    ):
        assert word in printed


def drawn(read, content: str) -> str:
    return read("a.pdf", pdf(content)).text


RAISED = ") Tj /F1 7 Tf 4 Ts ({}) Tj /F1 11 Tf 0 Ts ("


def test_raised_digits_are_no_part_of_the_figure_before_them(read) -> None:
    said = f"It is 250{RAISED.format(1)} euros, 40 m{RAISED.format(2)} in all{RAISED.format('10,11')}, 1,234."
    assert drawn(read, said) == "It is 250¹ euros, 40 m² in all¹⁰,¹¹, 1,234."


def test_lowered_slanted_and_bracketed_digits_stay(read) -> None:
    lowered = RAISED.replace("4 Ts", "-3 Ts")
    assert drawn(read, f"H{lowered.format(2)}O of C{lowered.format(12)}") == "H2O of C12"
    assert drawn(read, f"Other{RAISED.format('(1)')} items") == "Other(1) items"
    assert drawn(read, ") Tj 0.8 0.6 -0.6 0.8 200 300 Tm (No12 of 250.") == "No12 of 250."


def test_figures_with_marks_of_notes_keep_their_columns(read) -> None:
    mark = RAISED.replace("4 Ts", "3 Ts")
    rows = [f"Item {n}) Tj 200 0 Td ({n}25{mark.format(n)}) Tj 80 0 Td ({n}50) Tj -280 0 Td (" for n in range(1, 5)]
    text = drawn(read, "\n".join(["Name) Tj 200 0 Td (2024) Tj 80 0 Td (2025) Tj -280 0 Td (", *rows]))
    assert "| Item 3 | 325³ | 350 |" in text


def row(*cells: str) -> str:
    """A printed line whose cells stand 120 points apart."""
    return ") Tj 120 0 Td (".join(cells) + f") Tj {-120 * (len(cells) - 1)} 0 Td ("


def price_list(head: list[str], pages: int) -> bytes:
    """A list that goes on over pages, 30 articles a page, with a title above and a page number below."""
    made = []
    for page in range(1, pages + 1):
        articles = [
            row(f"AR-{30 * page + n}", f"Valve {30 * page + n}", f"{3 * n + page}", f"{n}.{page}5") for n in range(30)
        ]
        made.append(
            "\n".join(["Articles of Nordlicht AG", "", "", "", *head, *articles, "", f"Page {page} of {pages}"])
        )
    return pdf(*made)


def test_a_table_over_pages_keeps_its_rows_and_the_names_of_its_columns(read) -> None:
    found = read("a.pdf", price_list([row("Article", "Name", "Stock", "Price")], 4))
    assert found.text.count("| Article Name | Stock | Price |") == 4
    assert all(f"| AR-{number} Valve {number} |" in found.text for number in range(30, 150))
    assert "Nordlicht" not in found.text
    assert "Page" not in found.text
    assert found.report["repeated_lines_dropped"] == 8


def test_heads_of_two_lines_are_kept_whole(read) -> None:
    head = [row("Article", "Name", "Pieces", "Price"), row("number", "as sold", "in stock", "in francs")]
    assert read("a.pdf", price_list(head, 3)).text.count("| Pieces in stock | Price in francs |") == 3


def test_what_repeats_above_prose_is_no_head_of_a_table() -> None:
    head = line(20, (50, "Article"), (200, "Stock"), (300, "Price"))
    rows = [line(y, (50, "Valve"), (200, f"{y}"), (300, f"{y}.50")) for y in (34, 48, 62)]
    prose = line(34, (50, "All that is said of them"))
    for lines in ([head, *rows], [head, prose, *rows]):
        figure_regions(lines)
    assert heads_table([head, *rows], 0, 1, 1)
    assert not heads_table([head, prose, *rows], 0, 1, 1)
    assert not heads_table([head, *rows[2:]], 0, 1, 1)  # far above
    assert not heads_table([line(20, (50, "Report")), *rows], 0, 1, 1)
