"""When a document says that it is in force, in its own words."""

from datetime import date

import pytest

from core.in_force import OPENING, Span, in_force, years_of

NEW_YEAR = date(2026, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "Valid from 1 January 2026. This list replaces the price list of 2025.",
        "This tariff is valid as of January 1st, 2026.",
        "Effective date: 2026-01-01",
        "These rules have been in force since 1.1.2026.",
        "The fees apply from January 2026.",
        "Hausordnung\n\nGültig ab 1. Januar 2026. Sie ersetzt die Hausordnung vom 1. Juli 2018.",
        "Diese Satzung tritt am 01.01.2026 in Kraft.",
        "Die Preise gelten ab dem 1. Jänner 2026.",
        "Tarifs valables à partir du 1er janvier 2026.",
        "Ce règlement est en vigueur depuis le 1 janvier 2026.",
        "Tarifas vigentes desde el 1 de enero de 2026.",
        "Válido a partir del 1 de enero de 2026.",
    ],
)
def test_a_document_says_from_when_it_is_in_force(text: str) -> None:
    assert in_force(text) == Span(NEW_YEAR)


def test_it_may_say_until_when_too() -> None:
    whole = Span(date(2025, 1, 1), date(2025, 12, 31))
    assert in_force("Valid from 1 January 2025 to 31 December 2025. All prices include VAT.") == whole
    assert in_force("Gültig vom 1.1.2025 bis zum 31.12.2025.") == whole
    assert in_force("Valable du 1er janvier 2025 au 31 décembre 2025.") == whole
    assert in_force("Prices are valid until 31 December 2025.") == Span(None, date(2025, 12, 31))


def test_a_title_says_it_with_fewer_words() -> None:
    assert in_force("Fees are per season.", "Notice: berth fees from 1 April 2026") == Span(date(2026, 4, 1))
    assert in_force("Es gilt das Folgende.", "Preisliste ab 1. Januar 2026") == Span(NEW_YEAR)
    assert in_force("We walked from 1 April 2026 on.") == Span()


@pytest.mark.parametrize(
    "text",
    [
        "Valid from 3/4/2026.",  # April or March
        "Valid from 31 February 2026.",
        "Tickets are valid from 1 January 2026, passes are valid from 1 March 2026.",
        "Minutes of the meeting of 1 January 2026.",
        "The old machine failed on 1 January 2026.",
        "Valid from the day of signature.",
        "x" * OPENING + " Valid from 1 January 2026.",
    ],
)
def test_what_is_unclear_or_said_of_a_part_is_not_believed(text: str) -> None:
    assert in_force(text) == Span()


def test_years_are_read_out_of_names() -> None:
    assert years_of("price-list_2025.md") == {2025}
    assert years_of("Report 2024-2025") == {2024, 2025}
    assert years_of("part-120251") == frozenset()
