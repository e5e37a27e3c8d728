"""Numbers are compared by value, whatever way they are written."""

import pytest

from core.numbers import lacks, measured, numbers, read, readings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234.50 dollars", {"1234.5"}),
        ("12 percent and 12%", {"12%"}),
        ("three of 10", {"3", "10"}),
        ("$2.5 million", {"2.5e6"}),
        ("version v2", set()),
    ],
)
def test_numbers_have_one_spelling(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("1,234.5", [1234.5]),
        ("1.234,5", [1234.5]),
        ("3,5", [3.5]),
        ("1.250", [1.25, 1250.0]),
        ("1,250", [1250.0, 1.25]),
        ("1.000", [1000.0]),
        ("0.000", [0.0]),
        ("0.125", [0.125]),
        ("1.234.567", [1234567.0]),
        ("1,00,000", [100000.0]),
        ("1’000", [1000.0]),
        ("12\u202f500,75", [12500.75]),
        ("-4", [-4.0]),
        ("Twelve", [12.0]),
        ("1.2.3", []),
        ("2020 2021", []),
    ],
)
def test_a_spelling_that_may_be_read_in_two_ways_is(spelling: str, expected: list[float]) -> None:
    assert readings(spelling) == expected


def test_of_two_readings_the_mark_of_the_decimals_tells() -> None:
    assert (read("1.000", "."), read("1.000", ","), read("12,50", ".")) == (1.0, 1000.0, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("35 Prozent", "3,5 Prozent"),
        ("1 Euro", "1.000\u00a0Euro"),
        ("1 Euro", "1000 Euro"),
        ("10 Euro", "1.000 Euro"),
        ("5 percent", "3,5 Prozent"),
        ("3 degrees", "−3 degrees"),
        ("251 euros", "25¹ euros"),
        ("version 1.2.4", "version 1.2.3"),
        ("3 million", "3 thousand"),
        ("25%", "25 euros"),
    ],
)
def test_another_number_is_another_in_every_reading(text: str, told: str) -> None:
    assert lacks(text, told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1.000 Euro", "1,000 euros"),
        ("1000 Euro", "1.000 Euro"),
        ("1.5 litres", "1,50 Liter"),
        ("1 000 Euro", "1000 Euro"),
        ("345 in 2023", "Sales 120 345 678 of 2023"),  # the cells of a row, side by side
        ("3 million", "3.000.000 Einwohner"),
        ("3 percent", "three per cent"),
        ("5 Mrd. Euro", "5 billion"),
        ("25 euros", "25¹ euros"),
        ("1 May 2024 is a holiday for 5", "01.05.2024"),
        ("Nothing", "7"),
    ],
)
def test_the_same_number_in_another_spelling_is_the_same(text: str, told: str) -> None:
    assert not lacks(text, told)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("€ 1,089", ("1,089", "")),
        ("9,50 €", ("9,50", "€")),
        ("-4 °C", ("-4", "°C")),
        ("25¹ kg", ("25", "kg")),
        ("Shed 1", None),
        ("3 of 4", None),
        ("", None),
    ],
)
def test_a_cell_with_one_figure_is_told_from_others(cell: str, expected: tuple[str, str] | None) -> None:
    assert measured(cell) == expected
