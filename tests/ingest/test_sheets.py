"""Numbers in workbooks: as their cells show them, whatever the file stores."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xlrd
from openpyxl import Workbook
from openpyxl.comments import Comment

from ingest.parsers.sheet_numbers import Styles, kind_of, shown
from ingest.parsers.sheet_tables import Merge, merge_of, sheet_blocks, spread_merged
from ingest.parsers.sheets import _xls_cell, _xls_styles


def test_a_workbook_shows_long_numbers_times_and_durations(read, tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["Article", "EAN", "Opens", "Took", "Invoiced", "Paid", "Price"])
    moment, paid = datetime(2026, 3, 1, 14, 5), date(2026, 3, 1)
    book.active.append(["Kettle", 4006381333931, time(8, 30), timedelta(hours=25, minutes=30), moment, paid, 0.1 + 0.2])
    book.save(tmp_path / "made.xlsx")
    found = read("a.xlsx", (tmp_path / "made.xlsx").read_bytes())
    assert "| Kettle | 4006381333931 | 08:30 | 25:30:00 | 2026-03-01 14:05 | 2026-03-01 | 0.3 |" in found.text


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (4006381333931.0, "General", "4006381333931"),
        (1234567890123456.0, "0", "1234567890123456"),
        (-2.0, "0", "-2"),
        (1234567.891, "#,##0.00", "1234567.891"),
        (1 / 3, "0.00", "0.333333333333333"),
        (0.29, "0%", "29%"),
        (1067.0, "00000", "01067"),
        (1067.0, "00000;[Red]-00000", "01067"),
        (-7.0, "000", "-007"),
        (1067.5, "00000", "1067.5"),
        (23.0, '0 "days"', "23"),
        (1234.5, "_-* #,##0.00 _D_M_-", "1234.5"),  # the width of the letters, no day and month
        (46082.0, "yyyy-mm-dd", "2026-03-01"),
        (46082.586805555555, "yyyy-mm-dd hh:mm", "2026-03-01 14:05"),
        (46082.58691, "yyyy-mm-dd hh:mm", "2026-03-01 14:05:09"),
        (0.0, "yyyy-mm-dd", "0"),
        (0.0, "hh:mm", "00:00"),
        (0.3541666666666667, "hh:mm", "08:30"),
        (1.0625, "[h]:mm:ss", "25:30:00"),
        (0.05222222222222222, "[mm]:ss", "1:15:12"),
        (1.0, "yyyy-mm-dd", "1900-01-01"),
        (61.0, "yyyy-mm-dd", "1900-03-01"),
        (1e300, "hh:mm", "1e+300"),
    ],
)
def test_a_number_is_shown_by_its_format(number: float, code: str, text: str) -> None:
    assert shown(number, kind_of(164, code), later_days=0) == text


@pytest.mark.parametrize(("number", "text"), [(2_957_003.0, "9999-12-31"), (2_958_000.0, "2958000")])
def test_days_of_old_macs_end_where_others_do(number: float, text: str) -> None:
    assert shown(number, "date", later_days=1462) == text


def test_cells_of_an_old_workbook_are_shown_alike() -> None:
    formats = {0: "General", 14: "m/d/yy", 46: "[h]:mm:ss", 164: "00000"}
    book: Any = SimpleNamespace(
        format_map={key: SimpleNamespace(format_str=code) for key, code in formats.items()},
        xf_list=[SimpleNamespace(format_key=key) for key in formats],
        datemode=0,
    )
    styles = _xls_styles(book)
    assert styles == Styles(["plain", "date", "elapsed", 5], 0)
    for kind, value, style, text in (
        (xlrd.XL_CELL_NUMBER, 4006381333931.0, 0, "4006381333931"),
        (xlrd.XL_CELL_DATE, 46082.586805555555, None, "2026-03-01 14:05"),
        (xlrd.XL_CELL_DATE, 0.3541666666666667, None, "08:30"),
        (xlrd.XL_CELL_DATE, 1.0625, 2, "25:30:00"),
        (xlrd.XL_CELL_NUMBER, 1067.0, 3, "01067"),
    ):
        assert _xls_cell(xlrd.sheet.Cell(kind, value, style), styles) == text


def saved(book: Workbook, tmp_path: Path) -> bytes:
    book.save(tmp_path / "made.xlsx")
    return (tmp_path / "made.xlsx").read_bytes()


def test_merged_cells_stand_in_every_row_and_a_title_above_the_table(read, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Suppliers"
    for row in (
        ("Suppliers of the eastern depots", None, None, None), ("as of May; prices in euros.", None, None, None),
        ("Region", "Supplier", "Prices", None), (None, None, "2025", "2026"),
        ("Saxony", "Nordwerk", 12, 13), (None, "Elbglas", 7, 8), ("Bavaria", "Isar Bau", 3, 4),
    ):  # fmt: skip
        sheet.append(row)
    for merged in ("A1:D1", "A2:D2", "A3:A4", "B3:B4", "C3:D3", "A5:A6"):
        sheet.merge_cells(merged)
    found = read("a.xlsx", saved(book, tmp_path))
    assert found.text == (
        "Suppliers\n\nSuppliers of the eastern depots\n\nas of May; prices in euros.\n\n"
        "| Region | Supplier | Prices 2025 | Prices 2026 |\n| --- | --- | --- | --- |\n"
        "| Saxony | Nordwerk | 12 | 13 |\n| Saxony | Elbglas | 7 | 8 |\n| Bavaria | Isar Bau | 3 | 4 |"
    )
    assert [(span.kind, span.level) for span in found.spans][:3] == [("heading", 1), ("heading", 2), ("text", 0)]


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        (
            [["Name", "Home", "Home"], ["Ana", "Am Wall", "Bremen"], ["Ben", "Im Hof", "Trier"]],
            "| Name | Home | Home |",
        ),
        ([["", "Berlin", "Berlin"], ["Sales", "12", "7"], ["Support", "31", "18"]], "| | Berlin | Berlin |"),
        ([["1", "1"], ["2", "4"], ["3", "9"]], "| 1 | 1 |"),
    ],
)
def test_a_row_of_values_is_no_part_of_the_header(rows: list[list[str]], header: str) -> None:
    (table,) = sheet_blocks(rows, 1)
    assert table.text.splitlines()[0].replace("|  |", "| |") == header
    assert len(table.text.splitlines()) == 4


def test_cells_merged_to_the_edge_of_the_sheet_are_spread_within_reason() -> None:
    rows = {number: ["long", "x"] for number in range(0, 3000, 2)}
    rows[0] = ["All depots"]
    spread_merged(rows, [Merge(0, 0, 1_048_575, 0), Merge(0, 0, 0, 16_383)] * 400)
    assert (rows[0], len(rows)) == (["All depots"], 1500)
    assert merge_of("A2:XFD1048576") == Merge(1, 0, 1_048_575, 16_383)
    assert merge_of("A2") is None


def test_a_workbook_is_titled_by_itself_or_its_file_and_never_by_its_first_sheet(read, tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["Team", "Staff"])
    assert read("Budget 2026.xlsx", saved(book, tmp_path)).title == "Budget 2026"
    book.properties.title = "Budget of the depots"
    assert read("a.xlsx", saved(book, tmp_path)).title == "Budget of the depots"


def test_remarks_on_cells_say_that_they_are_remarks(read, tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["Supplier", "Nordwerk"])
    book.active["B1"].comment = Comment("Mia Lang:\nPays late", "Mia Lang")
    notice = "[Threaded comment]\n\nYour version of Excel allows you to read this.\n\nComment:\n    Or never"
    book.active["A1"].comment = Comment(notice, "tc={1}")
    text = read("a.xlsx", saved(book, tmp_path)).text
    assert text.endswith("\n\nComment: Or never\n\nComment (Mia Lang): Pays late")
