"""Ordinary numbers that are taken for payment cards, and cards that are found, by the sentence around them.

    python -m bench.rails_numbers [--count 400] [--seed 7]

Prints one JSON object: of so many random numbers of each length, how many are redacted as anybody's; of so many numbers
made as issuers make them (first digits, length, Luhn's check), how many are found as cards. Figures:
docs/results/2026-11-29-rails.md.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence

from guardrails.cards import luhn
from guardrails.pii import find_pii
from guardrails.pii_types import SENSITIVE

LENGTHS = (8, 9, 10, 11, 12, 13, 14, 15, 16, 19)
OTHERWISE = ("Your order {} was shipped.", "Tracking number: {}", "The value was {} yesterday.", "| 12 | {} | yes |")
AS_CARDS = ("My card is {}.", "I paid with {} yesterday.", "I paid for my order with {}.", "Your order {} was shipped.")
ISSUED = (
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("2720", 16),
    ("37", 15),
    ("6011", 16),
    ("65", 16),
    ("3530", 16),
)
ISSUED_ABROAD = (
    ("36", 14),
    ("2200", 16),
    ("62", 16),
    ("62", 19),
    ("6759", 16),
    ("6304", 19),
    ("5086", 16),
    ("6072", 16),
)


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    numbers = {length: [_digits(length, chance) for _ in range(given.count)] for length in LENGTHS}
    cards = [_card(*chance.choice((*ISSUED, *ISSUED_ABROAD)), chance) for _ in range(given.count)]
    result = {
        "redacted": {
            frame: {length: _found(frame, texts, SENSITIVE) for length, texts in numbers.items()} for frame in OTHERWISE
        },
        "cards_found": {frame: _found(frame, cards, {"CREDIT_CARD"}) for frame in AS_CARDS},
        "cards_in_groups_found": {
            frame: _found(frame, [_grouped(card) for card in cards], {"CREDIT_CARD"}) for frame in AS_CARDS
        },
    }
    print(json.dumps({"count": given.count, **result}, indent=1))


def _found(frame: str, numbers: Sequence[str], kinds: set[str] | frozenset[str]) -> int:
    return sum(any(span.kind in kinds for span in find_pii(frame.format(number), None)) for number in numbers)


def _digits(length: int, chance: random.Random) -> str:
    return "".join(chance.choice("0123456789") for _ in range(length))


def _card(first: str, length: int, chance: random.Random) -> str:
    body = first + _digits(length - len(first) - 1, chance)
    return next(body + check for check in "0123456789" if luhn(body + check))


def _grouped(card: str) -> str:
    return " ".join(card[at : at + 4] for at in range(0, len(card), 4))


if __name__ == "__main__":
    main()
