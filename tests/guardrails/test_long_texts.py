"""No rule reads a long text again and again: a question of one long word must not hold the server."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from guardrails.exit_gate import ExitGate
from guardrails.harmful_requests import reports
from guardrails.indirect_injection import sentences, suspect_passages
from guardrails.injection_phrases import orders_in_other_languages
from guardrails.languages import in_another_language
from guardrails.normalise import views
from guardrails.pii import Pii, find_pii
from guardrails.pii_engine import PIECE_CHARACTERS
from guardrails.rail import Context
from guardrails.secrets import Secrets
from guardrails.toxicity import unstressed
from guardrails.words import Words

LENGTH = 200_000
MOST_S = 4.0
"""Of processor time; what reads the rest of the text from each place takes minutes."""
UNITS = [
    "a", "1", "_", "é", "a.", "a-", "a1", "a'", "@", "1-", " ", "\n", "1 ", "a b ", "<!--", "[", "![](", "&", "%", "a://",
    "sk-", "eyJaaaaaaaa-", "password ", "token", "password=...", "-----BEGIN PRIVATE KEY-----",
]  # fmt: skip
NUMBERS = ["1-", "4111 1111 1111 1111 ", "212-555-0147 ", "a@b.co ", "A1-"]
"""What Presidio finds, or nearly finds, much in: it looks at each more than once, but not at all the text for each."""
PART, TIMES = 5_000, 4


def check(rail: Words | Secrets | Pii | ExitGate) -> Callable[[str], object]:
    return lambda text: rail.check(Context("output", text))


RULES: dict[str, Callable[[str], object]] = {
    "secrets": check(Secrets()),
    "words": check(Words(("Project Falcon", "a b"), (r"\bAC-\d{4}\b",))),
    "exit_gate": check(ExitGate()),
    "pii": check(Pii(None)),  # type: ignore[arg-type]
    "views": views,
    "orders_in_other_languages": orders_in_other_languages,
    "suspect_passages": suspect_passages,
    "sentences": sentences,
    "in_another_language": in_another_language,
    "unstressed": unstressed,
    "reports": reports,
}


def spent_s(rule: Callable[[str], object], unit: str, length: int) -> float:
    """Return the processor time of a rule on a text that repeats a unit."""
    text = (unit * (length // len(unit) + 1))[:length]
    began = time.process_time()
    rule(text)
    return time.process_time() - began


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_reads_a_long_text_once(name: str, unit: str) -> None:
    if name == "pii" and any(character.isdigit() for character in unit):
        pytest.skip("numbers cost Presidio more: see below")
    spent_s(RULES[name], unit, 100)  # the first text pays for what is loaded
    assert spent_s(RULES[name], unit, LENGTH) < MOST_S


@pytest.mark.parametrize("unit", NUMBERS)
def test_a_text_full_of_numbers_takes_a_time_in_proportion(unit: str) -> None:
    spent_s(RULES["pii"], unit, 100)
    part = max(spent_s(RULES["pii"], unit, PART), 0.05)
    assert spent_s(RULES["pii"], unit, TIMES * PART) < 2.5 * TIMES * part


def test_what_stands_at_the_end_of_a_piece_is_found_whole() -> None:
    for before in range(PIECE_CHARACTERS - 80, PIECE_CHARACTERS + 2, 4):
        text = "a " * (before // 2) + "my passport is 912803456, my card 4111 1111 1111 1111, mail ana@example.org."
        assert [span.kind for span in find_pii(text, None)] == ["PASSPORT", "CREDIT_CARD", "EMAIL_ADDRESS"], before
