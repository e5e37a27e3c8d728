"""Numbers in workbooks: as their cells show them, whatever the file stores."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xlrd
from openpyxl import Workbook

from ingest.parsers.sheet_numbers import Styles, kind_of, shown
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
    formats = {0: "General", 14: "m/d/yy", 46: "[h]:mm:ss"}
    book: Any = SimpleNamespace(
        format_map={key: SimpleNamespace(format_str=code) for key, code in formats.items()},
        xf_list=[SimpleNamespace(format_key=key) for key in formats],
        datemode=0,
    )
    styles = _xls_styles(book)
    assert styles == Styles(["plain", "date", "elapsed"], 0)
    for kind, value, style, text in (
        (xlrd.XL_CELL_NUMBER, 4006381333931.0, 0, "4006381333931"),
        (xlrd.XL_CELL_DATE, 46082.586805555555, None, "2026-03-01 14:05"),
        (xlrd.XL_CELL_DATE, 0.3541666666666667, None, "08:30"),
        (xlrd.XL_CELL_DATE, 1.0625, 2, "25:30:00"),
    ):
        assert _xls_cell(xlrd.sheet.Cell(kind, value, style), styles) == text
