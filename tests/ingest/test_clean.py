"""What repeats at the edges of pages and what only looks so."""

from __future__ import annotations

import pytest

from ingest.clean import Place, repeated_edges


def dropped(*pages: list[str]) -> set[str]:
    """Return the lines that are taken for headers and footers, among twenty others a page."""
    printed: dict[int, list[tuple[Place, str]]] = {}
    for page, (top, bottom) in enumerate(pages, start=1):
        body = [f"What is said here in words of its own: {'abcdefgh'[page] * (line + 1)}." for line in range(20)]
        printed[page] = [((page, place), text) for place, text in enumerate([top, *body, bottom])]
    gone = repeated_edges(printed, len(pages))
    return {text for lines in printed.values() for place, text in lines if place in gone}


@pytest.mark.parametrize(
    "footer", ["{}", "- {} -", "Page {} of 4", "Seite {}/4", "Report 2025 | {}", "ACME 10-K 2025 {}", "Bates 0000{}"]
)
def test_lines_whose_numbers_stay_or_count_the_pages_are_headers_and_footers(footer: str) -> None:
    assert len(dropped(*(["Handbook", footer.format(n)] for n in range(3, 7)))) == 5


def test_pages_numbered_anew_in_every_part_are_numbered_all_the_same() -> None:
    assert len(dropped(*(["Handbook", f"Page {n} of {m}"] for n, m in ((1, 1), (1, 2), (2, 2), (1, 1))))) == 4


def test_rows_that_differ_in_their_numbers_are_kept() -> None:
    rows = [["Handbook", f"AR-{37 * n} Valve {37 * n} {111 * n} {50 + 7 * n}.50"] for n in range(1, 5)]
    assert dropped(*rows) == {"Handbook"}
