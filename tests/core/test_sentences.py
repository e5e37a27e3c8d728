import pytest

from core.sentences import split_sentences, split_units, windows
from tests.generation.passages import LEAVE, RATES


def pieces(text: str) -> list[str]:
    return [text[unit.start : unit.end] for unit in split_units(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One thing. Another thing.", ["One thing.", "Another thing."]),
        (
            "Dr. Smith met Mr. Jones at 5 p.m. in Room 3. They left.",
            ["Dr. Smith met Mr. Jones at 5 p.m. in Room 3.", "They left."],
        ),
        ("It costs 3.5 million. Why? Because!", ["It costs 3.5 million.", "Why?", "Because!"]),
        ("A line that the page\nwraps goes on. Next.", ["A line that the page\nwraps goes on.", "Next."]),
        ("休暇は十日です。翌年に繰り越せます。", ["休暇は十日です。", "翌年に繰り越せます。"]),
        ("John F. Kennedy spoke. He left.", ["John F. Kennedy spoke.", "He left."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_list_items_carry_the_sentence_that_introduces_them() -> None:
    items = [unit for unit in split_units(LEAVE) if unit.kind == "item"]
    assert [LEAVE[unit.start : unit.end] for unit in items][-1] == "15+ years: 8 hours per pay period"
    assert all(unit.lead and LEAVE[slice(*unit.lead)].endswith("worked here:") for unit in items)


def test_rows_carry_their_header_and_rules_are_no_unit() -> None:
    rows = split_units(RATES)
    assert [RATES[unit.start : unit.end] for unit in rows] == [
        "| City | Rate |",
        "| Tokyo | 120 USD |",
        "| Berlin | 80 USD |",
    ]
    assert [unit.kind for unit in rows] == ["header", "row", "row"]
    assert RATES[slice(*rows[2].lead)] == "| City | Rate |"  # type: ignore[misc]


def test_a_table_that_was_cut_has_no_header_and_its_first_row_is_a_row() -> None:
    rows = split_units("| Net income | 7,514 |\n| Deferred taxes | (1,189) |\n")
    assert [(unit.kind, unit.lead) for unit in rows] == [("row", None), ("row", None)]


def test_a_list_knows_where_the_whole_of_it_stands() -> None:
    text = "Allowed:\n\n* one thing\n* another\n\nThat is all. It ends."
    units = split_units(text)
    assert [text[slice(*unit.listed)] if unit.listed else "" for unit in units][:3] == [
        text[: text.index("\n\nThat")]
    ] * 3
    assert text[slice(*units[-1].lead)] == "That is all."  # type: ignore[misc]


def test_headings_are_units_of_their_own() -> None:
    assert [unit.kind for unit in split_units("# Title\nText follows here.")] == ["heading", "sentence"]


def test_windows_cover_every_sentence_within_their_length() -> None:
    text = " ".join(f"Sentence number {number} is here." for number in range(30))
    spans = [(unit.start, unit.end) for unit in split_units(text)]
    found = windows(spans, text, 200)
    assert all(end - start <= 200 for start, end in found)
    assert all(any(a <= start and end <= b for a, b in found) for start, end in spans)


def test_an_empty_text_has_no_units():
    assert split_sentences("") == []


MANUAL = """Printer manual

Labels are blank

The labels are loaded upside down.

Can I use a public network?

Yes, but only through the tunnel.

4. Parental leave

Parents may take leave. If that is not possible, they are paid.

2.4.1 (12 May 2026)

- Fixes labels
- Fixes zones

5. Office
The move to the new office in Leipzig is postponed until September.
"""


def test_short_lines_above_prose_and_lists_are_headings_and_the_section_of_what_follows() -> None:
    found = [
        (MANUAL[unit.start : unit.end], MANUAL[slice(*unit.section)] if unit.section else "")
        for unit in split_units(MANUAL)
        if unit.kind != "heading"
    ]
    assert found == [
        ("The labels are loaded upside down.", "Labels are blank"),
        ("Yes, but only through the tunnel.", "Can I use a public network?"),
        ("Parents may take leave.", "Parental leave"),
        ("If that is not possible, they are paid.", "Parental leave"),
        ("Fixes labels", "2.4.1 (12 May 2026)"),
        ("Fixes zones", "2.4.1 (12 May 2026)"),
        ("The move to the new office in Leipzig is postponed until September.", "Office"),
    ]


def test_items_are_led_by_their_heading_and_replies_by_their_question() -> None:
    leads = {MANUAL[unit.start : unit.end]: MANUAL[slice(*unit.lead)] for unit in split_units(MANUAL) if unit.lead}
    assert leads == {
        "Yes, but only through the tunnel.": "Can I use a public network?",
        "If that is not possible, they are paid.": "Parents may take leave.",
        "Fixes labels": "2.4.1 (12 May 2026)",
        "Fixes zones": "2.4.1 (12 May 2026)",
    }


@pytest.mark.parametrize(
    "text",
    [
        "Phone 030 123456\n\nMail us at x@y.example\n\nOpen 9 to 5",  # facts in a row
        "1. first thing\n\n2. second thing\n\n3. third thing\n\nThat is all.",
        "- a badge\n\nThat is all.",
        "The last line of a text",
    ],
)
def test_facts_and_items_are_no_headings(text: str) -> None:
    assert "heading" not in {unit.kind for unit in split_units(text)}


def test_lines_that_each_name_a_value_are_units_and_a_wrapped_sentence_is_one() -> None:
    assert pieces("Flash point: 12 °C\nBoiling point: 82 °C\nStorage: in a cool\nplace") == [
        "Flash point: 12 °C",
        "Boiling point: 82 °C",
        "Storage: in a cool\nplace",
    ]
    wrapped = "This is said in the\nAppendix: see there."
    assert pieces(wrapped) == [wrapped]


@pytest.mark.parametrize(
    "text",
    [
        "Lost devices are reported to the desk (ext. 4400) within a day.",
        "Die Umstellung verschiebt sich auf den 1. September, weil etwas fehlt.",
        "Das Attest wird ab dem 3. Tag verlangt.",
        "Am 30. April wird entschieden.",
        "It is paid in full (see the table. It is below) from March on.",
    ],
)
def test_a_stop_in_brackets_or_after_an_ordinal_ends_no_sentence(text: str) -> None:
    assert split_sentences(text) == [(0, len(text))]


@pytest.mark.parametrize(
    "text", ["We have room for 12. Then it is full.", "(It is so.) It stays so.", "It is (so). Yes."]
)
def test_a_stop_after_a_number_or_a_bracket_does(text: str) -> None:
    assert len(split_sentences(text)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Ein Menü kostet max. 12 €.",
        "The hall costs £80 excl. 20 % VAT.",
        "Open Mon. 9-5 and Sat. 10-2.",
        "Ask for Capt. Miller or Sen. Lee.",
        "Das Büro ist in der Hauptstr. 5 im Hof.",
    ],
)
def test_an_abbreviation_before_a_figure_or_a_name_ends_no_sentence(text: str) -> None:
    assert split_sentences(text) == [(0, len(text))]


@pytest.mark.parametrize(
    "text",
    [
        "Open Mon. The shop is small.",
        "Choose plan A. Then pay.",
        "He sat. 5 people came.",
        "It takes 30 min. Then stop.",
    ],
)
def test_what_is_no_abbreviation_where_it_stands_ends_one(text: str) -> None:
    assert len(split_sentences(text)) == 2


def test_a_numbered_title_right_above_its_text_is_a_heading() -> None:
    text = "2. TECHNICAL DATA\nThe flow is 60 l/min.\n\n4. Payment\nInvoices are due.\n\n5. Setup\nTo do:\n1. Go."
    assert [text[unit.start : unit.end] for unit in split_units(text) if unit.kind == "heading"] == [
        "TECHNICAL DATA",
        "Payment",
    ]
    steps = "Do this:\n\n1. Place the pump on a level\nSurface of stone.\n2. Gas\nSwitch it off at the meter."
    assert not [unit for unit in split_units(steps) if unit.kind == "heading"]


RULES = """Committee

(1) The committee consists of five members. They are elected for two years. Each has one vote.

- 1 February – Stairwells are cleaned by a company. Cost: 6.50 a month.
- 1 March – The office is closed on Fridays. Opening hours now: Monday to Thursday.
"""


def test_a_sentence_of_an_item_that_leans_on_the_one_before_keeps_it_beside_the_lead_of_the_list() -> None:
    found = {
        RULES[unit.start : unit.end]: RULES[slice(*unit.antecedent)]
        for unit in split_units(RULES)
        if unit.kind == "item" and unit.antecedent
    }
    assert found == {
        "They are elected for two years.": "The committee consists of five members.",
        "Cost: 6.50 a month.": "1 February – Stairwells are cleaned by a company.",
        "Opening hours now: Monday to Thursday.": "1 March – The office is closed on Fridays.",
    }
    first = next(unit for unit in split_units(RULES) if unit.antecedent)
    assert first.lead == (0, len("Committee"))
