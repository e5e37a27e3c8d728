"""Separated values: which sign parts them, what quotes hold together, and what stands above the table."""

from __future__ import annotations

import pytest


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables in a document's text."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not set(line) <= set("| -")]
    return [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            'SKU,Description,Price\nA1,"Cable, 2 m, black",5.20\nB2,"Screen 24"" wide, matte",210.00\n',
            [
                ["SKU", "Description", "Price"],
                ["A1", "Cable, 2 m, black", "5.20"],
                ["B2", 'Screen 24" wide, matte', "210.00"],
            ],
        ),
        (
            'id,name,remark\n1,"Smith, John","said ""ok"" and\nleft early"\n2,"Doe, Jane","never, ever"\n',
            [
                ["id", "name", "remark"],
                ["1", "Smith, John", 'said "ok" and left early'],
                ["2", "Doe, Jane", "never, ever"],
            ],
        ),
        ("north;1,5\nsouth;2,25\n", [["north", "1,5"], ["south", "2,25"]]),
        ('1,"12 Main St; Apt 4"\n2,"5 Elm St; Unit 9"\n', [["1", "12 Main St; Apt 4"], ["2", "5 Elm St; Unit 9"]]),
        ('a, b\n1, "x, y"\n', [["a", "b"], ["1", "x, y"]]),
        ("sep=;\nplace, city;price, net\nX, Y;1,5\n", [["place, city", "price, net"], ["X, Y", "1,5"]]),
        ("sep=^\na^b\n1^2\n", [["a", "b"], ["1", "2"]]),
        ("item\tprice\nbolt, long\t1,5\n", [["item", "price"], ["bolt, long", "1,5"]]),
        ("a|b\n1|2\n", [["a", "b"], ["1", "2"]]),
        ("a,b\r1,2\r", [["a", "b"], ["1", "2"]]),
        ("time;value\n10:00;1\n11:00;2\n", [["time", "value"], ["10:00", "1"], ["11:00", "2"]]),
        ("owner's name;city\nO'Neill;Cork\n", [["owner's name", "city"], ["O'Neill", "Cork"]]),
        (",price\nbolt,5\nnut,6\n", [["", "price"], ["bolt", "5"], ["nut", "6"]]),
    ],
)
def test_cells_are_those_that_a_spreadsheet_shows(read, content: str, expected: list[list[str]]) -> None:
    assert rows(read("a.csv", content).text) == expected


@pytest.mark.parametrize("above", ["Report generated 2026-05-01\n\n", "Report generated 2026-05-01;;\n;;\n"])
def test_a_line_above_the_table_is_not_its_header(read, above: str) -> None:
    document = read("a.csv", f"{above}Region;Sales;Tax\nNorth;1,5;0,1\nSouth;2,25;0,2\n")
    assert [span.kind for span in document.spans] == ["text", "table"]
    assert document.text.startswith("Report generated 2026-05-01\n")
    assert rows(document.text)[0] == ["Region", "Sales", "Tax"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_one_column_of_phrases_stays_one(read, quote: str) -> None:
    document = read("a.csv", f"Product\n{quote}Hammer, small{quote}\n{quote}Nail, long{quote}\n")
    assert document.text == "Product\nHammer, small\nNail, long"
