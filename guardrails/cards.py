"""Numbers of payment cards, told from other long numbers by issuer, Luhn's check and the words before them.

Luhn's check lets one number in ten pass, and the first digits that issuers have ever used one in four. So without a
word for it a number counts only where cards in use today begin and end so; beside a word (`card`, `visa`) older ones
count too, and at a lower score those whose check fails, as of a number mistyped. Digits without gaps right behind a
word for another number (`order`, `tracking no.`) are that number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SURE, BESIDE_A_WORD = 1.0, 0.45
_NUMBERS = tuple(
    re.compile(rf"(?<![\w-])(?:{digits})(?![\d-])")
    for digits in (r"\d{12,19}", r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}", r"(?:\d[ -]?){11,18}\d")
)
"""Without gaps, in fours, or with gaps anywhere: the last takes in what follows, as the date when a card expires."""
_IN_USE = re.compile(
    r"4\d{15}|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|220[0-4]\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]\d|095|[689]\d\d)\d{10}|35(?:2[89]|[3-8]\d)\d{12}|(?:6011|64[4-9]\d|65\d\d)\d{12}|62\d{14,17}"
    r"|(?:508[5-9]|606[29]|607\d|608[0-5]|8[12]\d\d)\d{12}|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)
"""First digits and length: Visa, Mastercard, Mir, American Express, Diners, JCB, Discover, UnionPay, RuPay, Maestro."""
_EVER = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|(?:2131|1800)\d{11}|3[47]\d{13}|3[0689]\d{12}|35\d{14}"
    r"|(?:5[06-8]|6\d)\d{10,17}|8[12]\d{14}"
)
"""Of older cards too: all of Maestro, Visa of 13 or 19 digits, JCB of 15."""
_CARD = re.compile(
    r"(?:credit|debit|bank|charge)?cards?|credit|debit|cc|cvv|visa|mastercard|maestro|amex|diners|discover|jcb|unionpay"
    r"|(?:kredit|giro)?karten?(?:nummer|nr)?|tarjetas?|cartes?|carta"
)
_OTHER = re.compile(
    r"orders?|tracking|invoices?|reference|ref|tickets?|serial|parcels?|shipments?|deliver(?:y|ies)|bookings?"
    r"|receipts?|barcodes?|imei|(?:bestell|auftrags?|rechnungs?|sendungs?|vorgangs?|referenz)(?:nummer|nr)?"
    r"|pedido|factura|commande|facture"
)
_BETWEEN = frozenset({"number", "numbers", "no", "nr", "num", "id", "code", "is", "was", "the"})
"""Words between a number and the word that names it."""
_WORD = re.compile(r"[^\W\d_]+")
_NEAR_CHARACTERS, _NEAR_WORDS = 80, 5


@dataclass(frozen=True, slots=True)
class Card:
    """`text[start:end]` is the number of a card."""

    start: int
    end: int
    score: float


def find_cards(text: str) -> Iterator[Card]:
    """Yield the numbers of cards; a number may be there twice."""
    for found in (match for pattern in _NUMBERS for match in pattern.finditer(text)):
        before = text[max(0, found.start() - _NEAR_CHARACTERS) : found.start()].lower()
        score = _score(found[0], _WORD.findall(before)[-_NEAR_WORDS:])
        if score:
            yield Card(found.start(), found.end(), score)


def _score(number: str, before: list[str]) -> float:
    digits = re.sub(r"\D", "", number)
    named = any(_CARD.fullmatch(word) for word in before)
    if not named and digits == number and _is_named_otherwise(before):
        return 0.0
    if (_EVER if named else _IN_USE).fullmatch(digits) and len(set(digits)) > 1 and luhn(digits):
        return SURE
    return BESIDE_A_WORD if named and digits == number and digits[0] in "3456" else 0.0


def _is_named_otherwise(before: list[str]) -> bool:
    names = [word for word in before if word not in _BETWEEN]
    return bool(names) and bool(_OTHER.fullmatch(names[-1]))


def luhn(digits: str) -> bool:
    """Whether a number passes the Luhn check."""
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0
