"""What a quoted answer is made of: whole lists, the right row, the right tier, what a sentence points back to."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from core.types import Message
from generation.cite import parse_draft
from generation.generators import write_draft
from generation.passages import passage_text, passages_of
from generation.pinned import pinned_by, speaks_of
from generation.quote import QuoteGenerator
from generation.ranges import fits
from generation.tables import label_of, match, row_holds
from generation.verify import Verified, Verifier
from tests.generation.passages import LEAVE, evidence_of

TRAVEL = """Book second class for journeys under four hours. Business class is allowed:

* on flights longer than eight hours
* where a medical reason is documented. A doctor signs it.

Passwords have at least 14 characters. They are changed only after a leak.
"""
MEALS = """| Country | Breakfast | Hotel limit a night |
|---|---|---|
| Spain | 6 EUR | 120 EUR |
| France | 9 EUR | 160 EUR |
"""
BALANCE = """| Millions | 2022 | 2021 |
|---|---|---|
| Inventories | 2,526 | 2,497 |
| Total current assets | 15,754 | 14,688 |
| Total assets | 46,455 | 47,072 |
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def answer(settings: Settings, question: str, *texts: str, history: tuple[Message, ...] = ()) -> Verified:
    evidence = evidence_of(*texts)
    draft = write_draft(QuoteGenerator(settings), question, evidence, history)
    return Verifier(settings).verify(question, draft, evidence)


def test_a_list_that_is_asked_for_is_quoted_whole_under_one_citation(settings: Settings) -> None:
    done = answer(settings, "When is business class allowed?", TRAVEL)
    lines = done.text.splitlines()
    assert lines[0] == "Business class is allowed: [1]"
    assert lines[1] == "- on flights longer than eight hours [1]"
    assert lines[2].startswith("- where a medical reason is documented.")
    assert len(done.citations) == 1
    assert all(done.text[claim.start : claim.end] == claim.text for claim in done.claims)


def test_a_list_under_a_title_without_a_colon_is_quoted_whole_too(settings: Settings) -> None:
    steps = "Steps after a phishing mail\n\n- Do not answer.\n- Delete the mail from the inbox."
    text = f"Report a lost badge at once.\n\n{steps}"
    done = answer(settings, "What are the steps after a phishing mail?", text)
    assert [claim.text for claim in done.claims] == [
        "Steps after a phishing mail",
        "Do not answer.",
        "Delete the mail from the inbox.",
    ]


def test_one_item_is_quoted_where_the_question_names_it(settings: Settings) -> None:
    done = answer(settings, "How much leave do I accrue per pay period after 20 years?", LEAVE)
    assert done.claims[0].text.endswith("15+ years: 8 hours per pay period")


def test_the_row_that_the_question_names_is_quoted_and_never_the_head(settings: Settings) -> None:
    done = answer(settings, "What is the hotel limit in France?", MEALS, LEAVE)
    assert done.claims[0].text == "Country: France; Breakfast: 9 EUR; Hotel limit a night: 160 EUR"
    assert not any("Country;" in claim.text for claim in done.claims)


def test_a_row_is_found_by_what_documents_call_the_thing_asked_for(settings: Settings) -> None:
    evidence = evidence_of(BALANCE)
    terms = "total current assets; inventories"
    quote = QuoteGenerator(settings, lambda text: terms if "quick ratio" in text else "")
    draft = write_draft(quote, "What is the quick ratio for FY2022?", evidence)
    assert "Total current assets" in draft.text
    assert "Inventories" in draft.text
    assert "Total assets" not in draft.text


def test_a_follow_up_asks_for_what_is_new_in_it(settings: Settings) -> None:
    text = "The head of security is Maria Santos. The deputy head is Jonas Weber."
    history = (Message("user", "Who is the head of security?"), Message("assistant", "Maria Santos heads security."))
    done = answer(settings, "who is her deputy? head security maria santos", text, LEAVE, history=history)
    assert "Jonas Weber" in done.text


def test_a_sentence_that_points_back_is_shown_with_the_one_before(settings: Settings) -> None:
    done = answer(settings, "When are passwords changed after a leak?", TRAVEL)
    assert "Passwords have at least 14 characters." in done.text
    assert "They are changed only after a leak." in done.text


@pytest.mark.parametrize(
    ("question", "tier", "expected"),
    [
        ("after 15 years of service", "15+ years: 8 hours", True),
        ("after 15 years of service", "Between 3 and 15 years: 6 hours", False),
        ("with 2 years of service", "Fewer than 3 years: 4 hours", True),
        ("with 3 years of service", "Fewer than 3 years: 4 hours", False),
        ("with three years of service", "up to 3 years: 4 hours", True),
        ("for three weeks or longer", "Out of office (under 3 weeks)", False),
        ("for three weeks or longer", "Out of office (more than 3 weeks)", True),
        ("after 15 years of service", "Report it within two hours", None),
    ],
)
def test_a_tier_holds_the_amount_asked_about_or_not(question: str, tier: str, expected: bool | None) -> None:
    assert fits(question, tier) is expected


def test_rows_are_named_by_their_words_and_columns_by_year() -> None:
    assert label_of("| Net cash | operations | 12 | 13 |") == "Net cash operations"
    assert label_of("| Spain | Madrid |") == "Spain"
    header, row = "| Millions | 2022 | 2021 |", "| Net sales | 34,229 | 35,355 |"
    right = match("What were net sales in FY2022?", row, header)
    assert right > match("What were net sales in 2019?", row, header)
    assert right > match("What was net income in 2022?", row, header)


def test_a_follow_up_names_another_row(settings: Settings) -> None:
    history = (Message("user", "What is the hotel limit in Spain?"), Message("assistant", "Spain: 120 EUR"))
    done = answer(settings, "and in France? hotel limit spain", MEALS, LEAVE, history=history)
    assert [claim.text[:15] for claim in done.claims] == ["Country: France"]


BENEFITS = """Northwind offers the following benefits:

- a ticket (the company pays 49 EUR a month)
- a company pension
- a bicycle on lease
"""


def test_a_word_that_several_items_hold_does_not_single_one_out(settings: Settings) -> None:
    done = answer(settings, "What benefits does the company offer?", BENEFITS)
    assert "a bicycle on lease" in done.text
    assert "bicycle" not in answer(settings, "Which benefits are there for a pension?", BENEFITS).text


NOTES = """2.4.1 (12 May 2026)

- Fixes labels printed twice after a paper jam.

2.4.0 (3 February 2026)

- Adds printing from a telephone.
"""


def test_a_section_is_told_by_its_version_and_named_before_its_items(settings: Settings) -> None:
    done = answer(settings, "What changed in firmware 2.4.0?", NOTES)
    assert "Adds printing from a telephone." in done.text
    assert "2.4.0 (3 February 2026)" in done.text
    assert "paper jam" not in done.text


def test_a_heading_that_repeats_the_question_gives_way_to_what_stands_below_it(settings: Settings) -> None:
    text = "Labels are blank\n\nThe roll is loaded upside down, or paper of another kind is used."
    assert answer(settings, "Why are the labels blank?", text).text.startswith("The roll is loaded upside down")


def test_a_reply_to_another_question_is_not_quoted(settings: Settings) -> None:
    text = (
        "Remote work from outside the EU is not permitted.\n\n"
        "Can I use a public network?\n\nYes, but only with the tunnel switched on."
    )
    assert "Yes" not in answer(settings, "Can I work remotely from Canada?", text).text
    assert "Can I use a public network?" in answer(settings, "Can I use a public network?", text).text


def test_both_rows_of_a_comparison_are_quoted(settings: Settings) -> None:
    done = answer(settings, "Compare the hotel limit of Spain and France", MEALS)
    assert "Spain" in done.text
    assert "France" in done.text


def test_another_row_that_is_named_less_well_is_not_quoted_beside_the_right_one(settings: Settings) -> None:
    sales = (
        "| Quarter | Region | Orders |\n|---|---|---|\n| Q1 2025 | North | 88 |\n| Q1 2025 | South | 71 |\n"
        "| Q2 2025 | North | 95 |\n| Q2 2025 | South | 77 |\n"
    )
    claims = answer(settings, "Orders in Q2 2025 in the South?", sales).claims
    assert [claim.text for claim in claims] == ["Quarter: Q2 2025; Region: South; Orders: 77"]


def test_a_list_at_the_head_of_a_passage_is_led_by_the_heading_above_it(settings: Settings) -> None:
    [item] = evidence_of("- a laptop\n- a monitor\n- a headset")
    chunk = replace(item.hit.chunk, heading="Remote work › Equipment provided")
    evidence = (replace(item, hit=replace(item.hit, chunk=chunk)),)
    text = write_draft(QuoteGenerator(settings), "What equipment is provided?", evidence).text
    assert text.splitlines() == ["- a laptop [1]", "- a monitor [1]", "- a headset [1]"]
    assert passage_text(passages_of(evidence)[0]) == "Equipment provided: a laptop"


def test_a_mail_speaks_of_its_sender_throughout(settings: Settings) -> None:
    mail = (
        "Subject: Damaged units\nFrom: Laura Smith <laura@cobalt.example>\nTo: service@x.example\n\n"
        "Two units arrived broken. Please send replacements by 20 March."
    )
    pins = pinned_by("What does Laura Smith want?", evidence_of(mail))
    assert [speaks_of(pins, passage) for passage in passages_of(evidence_of(mail))[-2:]] == [True, True]


def test_a_tier_in_a_table_is_told_by_the_head_of_its_column(settings: Settings) -> None:
    text = (
        "Core hours are from 10:00 to 15:00; outside them everybody arranges their own days off and on.\n\n"
        "| Years with us | Days of leave |\n|---|---|\n| up to 2 | 25 |\n| 3 to 5 | 27 |\n| more than 5 | 30 |\n"
    )
    for years, days in (("10", "30"), ("four", "27"), ("1", "25")):
        done = answer(settings, f"How many days off do I get after {years} years?", text)
        assert f"Days of leave: {days}" in done.text


def test_who_wrote_a_mail_is_meant_by_its_i() -> None:
    mail = (
        "Subject: Canteen\nFrom: Petra Lang <p@example.org>\nTo: Tom Weber <t@example.org>\n\n"
        "I would like a vegan dish every day. It costs little."
    )
    said = {passage.text: passage.speaker for passage in passages_of(evidence_of(mail))}
    assert {text for text, speaker in said.items() if speaker} == {"I would like a vegan dish every day."}
    assert "petra" in next(filter(None, said.values()))


def test_the_row_of_the_number_that_is_asked_for_is_quoted(settings: Settings) -> None:
    table = "Danger levels:\n\n| Level | Closed |\n|---|---|\n| 1 and 2 | nothing |\n| 3 | slope 9 |\n"
    table += "| 4 | slopes 6 to 9 |\n"
    text = answer(settings, "What is closed at avalanche danger level 4?", table).text
    assert "slopes 6 to 9" in text
    assert "nothing" not in text


def test_what_leads_into_a_table_is_no_answer_of_its_own(settings: Settings) -> None:
    table = "Danger levels and what is closed:\n\n| Level | Closed |\n|---|---|\n| 3 | slope 9 |\n| 5 | all slopes |\n"
    assert "all slopes" in answer(settings, "What is closed at danger level 5?", table).text


def test_the_sentence_after_the_one_with_the_number_is_quoted_too(settings: Settings) -> None:
    text = "Year 6 goes to the lake from 10 to 14 May. It costs 315 euros, in five parts.\n\nYear 4 pays 58 euros."
    told = answer(settings, "What does the Year 6 trip cost?", text).text
    assert "315" in told
    assert "58" not in told


def test_the_row_that_is_named_is_quoted_whatever_was_said_before(settings: Settings) -> None:
    clubs = """| Club | Day | Time | Years | Cost per term | Leader |
|---|---|---|---|---|---|
| Chess | Wednesday | 12:30-13:10 | 2-6 | free | Mr Lindqvist |
| Coding | Wednesday | 15:30-16:30 | 5-6 | £24 | Ms Raman |
| Gardening | Thursday | 15:20-16:20 | R-2 | £12 | Mr Osei |
| Ballet | Thursday | 15:30-16:15 | 1-4 | £48 | Miss Duval |
| Netball | Friday | 15:30-16:30 | 5-6 | £18 | Mrs Bell |
"""
    said = (Message("user", "On which day is the chess club?"), Message("assistant", "Club: Chess; Day: Wednesday"))
    lent = "How much does netball cost? day chess club wednesday"
    assert "Osei" in answer(settings, "Who runs the gardening club?", clubs).text
    told = answer(settings, lent, clubs, history=said).text
    assert "£18" in told
    assert "£48" not in told


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        ("What should I do right after pricking myself with a used needle?", 5),
        ("How do I treat a needlestick injury?", 5),
        ("What covers the wound?", 1),
        ("Whom do I tell about a needlestick?", 1),
    ],
)
def test_who_asks_how_to_do_something_gets_every_step(settings: Settings, question: str, lines: int) -> None:
    page = """# Needlestick injuries

First aid

1. Let the wound bleed; do not squeeze or suck it.
2. Wash it with soap and running water. Do not scrub.
3. Splashes into eyes or mouth: rinse with plenty of water. Take contact lenses out before you rinse the eyes.
4. Cover the wound with a waterproof plaster.

Reporting

Tell the nurse in charge and telephone Occupational Health (extension 2290)."""
    assert len(answer(settings, question, page).text.splitlines()) == lines


def test_a_sentence_of_its_own_leads_into_the_list_below_it(settings: Settings) -> None:
    page = "To be done every day before the public is let in.\n\n- Test the emergency stops.\n- Test both brakes.\n\n"
    told = answer(
        settings, "What has to be checked each day before the lift opens?", page + "Keys hang in the office."
    ).text
    assert told.splitlines()[1:] == ["- Test the emergency stops. [1]", "- Test both brakes. [1]"]


def test_an_open_tier_in_a_table_is_told_by_its_plus() -> None:
    header = "| Years of service | Days |"
    asked = "How many days with 12 years of service?"
    assert [row_holds(asked, row, header) for row in ("| 6-10 | 30 |", "| 11+ | 32 |")] == [False, True]


FAQ = "Q: When does the chess club meet?\nA: Tuesdays.\n\nQ: How much is it?\nA: £5 a month.\n\n"
ROOMS = "Check-in\n\nFrom 15:00.\n\nPets\n\nNot allowed.\n\nBreakfast is 12 euros for each person."


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("When does the chess club meet?", "Q: When does the chess club meet? [1] A: Tuesdays. [2]"),
        ("Are pets allowed?", "Pets: Not allowed. [1]"),
        ("When is check-in?", "Check-in: From 15:00. [1]"),
    ],
)
def test_a_word_or_two_are_quoted_with_their_question_or_heading(settings: Settings, question: str, told: str) -> None:
    assert answer(settings, question, FAQ, ROOMS).text == told


def test_a_question_is_never_the_answer(settings: Settings) -> None:
    passages = passages_of(evidence_of("Is there a football team?"))
    assert QuoteGenerator(settings).choose("Is there a football team?", passages) == []


def test_a_list_keeps_its_numbers_and_its_first_mark(settings: Settings) -> None:
    done = answer(settings, "How do I install the pump?", "To install the pump:\n1. Place it.\n2. Plug it in.")
    assert done.text.splitlines()[1:] == ["1. Place it. [1]", "2. Plug it in. [1]"]
    [first, second] = parse_draft("- a laptop [1]\n- a monitor [1]", [1])
    assert (first.separator, second.separator) == ("- ", "\n- ")


def test_steps_that_all_say_one_count_on(settings: Settings) -> None:
    text = "To install the pump:\n1. Place it.\n1. Plug it in.\n1. Fill it."
    done = answer(settings, "How do I install the pump?", text)
    assert done.text.splitlines()[1:] == ["1. Place it. [1]", "2. Plug it in. [1]", "3. Fill it. [1]"]
