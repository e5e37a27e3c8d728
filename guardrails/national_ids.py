"""Numbers by which a state knows a person: their forms, their checks, and which of them need a word beside them.

A number is reported without such a word only where form and check together leave ordinary numbers alone: check letters,
two check digits, or marks that only this number has. One check digit over bare digits lets an order number in ten
through: those need a word (`PESEL`, `BSN`, …) within five words before them. Presidio's recognisers give the checks
they have; its forms are looser (a PESEL inside a longer number, a NIF of seven digits). Its German identity card is
not used: it takes the ninth character for the check digit, which is the tenth.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from guardrails.presidio_import import without_transformers

with without_transformers():
    from presidio_analyzer import Pattern, PatternRecognizer
    from presidio_analyzer.predefined_recognizers import (
        EsNieRecognizer,
        EsNifRecognizer,
        InAadhaarRecognizer,
        ItFiscalCodeRecognizer,
        PlPeselRecognizer,
    )

KIND = "NATIONAL_ID"
ALONE, BESIDE_A_WORD = 0.5, 0.39
"""Presidio's confidence before check and context; the second is too low to be reported without a word."""


class Checked(PatternRecognizer):  # type: ignore[misc]
    """A pattern with a check of what it matches; a check that says little only keeps what has a word beside it."""

    def __init__(
        self, entity: str, pattern: str, check: Callable[[str], object], context: list[str], *, alone: bool = True
    ) -> None:
        patterns = [Pattern(entity, pattern, ALONE if alone else BESIDE_A_WORD)]
        super().__init__(entity, patterns=patterns, context=context, supported_language="en")
        self._check = check
        self._alone = alone

    def validate_result(self, pattern_text: str) -> bool | None:
        """Whether the digits add up; `None` leaves a match to the words beside it."""
        if not self._check(pattern_text):
            return False
        return True if self._alone else None


def national_ids() -> list[PatternRecognizer]:
    """Return the recognisers, all of one kind."""
    letter = "[A-HJ-NP-TV-Z]"
    nif, nie = EsNifRecognizer().validate_result, EsNieRecognizer().validate_result
    return [
        Checked(KIND, rf"\b\d{{2}}\.?\d{{3}}\.?\d{{3}}-?{letter}\b", _bare(nif), ["dni", "nif"]),
        Checked(KIND, rf"\b[XYZ]-?\d{{7}}-?{letter}\b", nie, ["nie"]),
        ItFiscalCodeRecognizer(supported_language="en", supported_entity=KIND),
        Checked(KIND, r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b", is_german_tax_id, ["tax", "steuer", "id"]),
        Checked(KIND, _GERMAN_CARD, is_german_card, ["ausweis", "identity", "seriennummer"], alone=False),
        Checked(KIND, _FRENCH, is_french_nir, ["nir", "sécu", "insee"]),
        Checked(
            KIND, r"(?<![\w.-])\d{3}([. ]?)\d{3}\1\d{3}(?![\w-])", is_dutch_bsn, ["bsn", "sofi", "burger"], alone=False
        ),
        Checked(
            KIND, r"(?<![\w.-])\d{4}\.?\d{2}\.?\d{3}(?![\w-])", is_dutch_bsn, ["bsn", "sofi", "burger"], alone=False
        ),
        Checked(KIND, r"\b\d{11}\b", PlPeselRecognizer().validate_result, ["pesel"], alone=False),
        Checked(KIND, r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])", is_brazilian_cpf, ["cpf"]),
        Checked(KIND, r"\b\d{11}\b", is_brazilian_cpf, ["cpf"], alone=False),
        Checked(KIND, _AADHAAR, InAadhaarRecognizer().validate_result, ["aadhaar", "aadhar", "uidai"], alone=False),
        Checked(KIND, r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b", is_swiss_ahv, ["ahv", "avs"]),
    ]


_FRENCH = r"(?<![\w.-])[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?![\w-])"
"""With a month of birth that is one: other codes are rare, and would let eight times as many ordinary numbers pass."""
_AADHAAR = r"(?<![\w.-])\d{4}([ -]?)\d{4}\1\d{4}(?![\w-])"
_GERMAN_CARD = r"\b(?=\w*\d)[CFGHJ-NPRTV-Z][CFGHJ-NPRTV-Z\d]{8}\d?\b"


def _bare(check: Callable[[str], object]) -> Callable[[str], object]:
    return lambda text: check(text.replace(".", ""))


def _digits(text: str) -> list[int]:
    return [int(digit) for digit in re.sub(r"\D", "", text)]


def is_german_tax_id(text: str) -> bool:
    """Whether a Steuer-ID adds up (ISO 7064, mod 11,10) and repeats a digit as it must."""
    digits = _digits(text)
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return digits[0] != 0 and (11 - product) % 10 == digits[10] and len(set(digits[:10])) in (8, 9)


def is_german_card(text: str) -> bool:
    """Whether the tenth character of an identity card's number, where it is given, checks the nine before it."""
    values = [int(character, 36) for character in text]
    return len(values) == 9 or sum(v * w for v, w in zip(values, (7, 3, 1) * 3, strict=False)) % 10 == values[9]


def is_french_nir(text: str) -> bool:
    """Whether the key of a social security number is right; Corsica's 2A and 2B count as 19 and 18."""
    number = text.upper().replace(" ", "").replace("2A", "19").replace("2B", "18")
    return 97 - int(number[:-2]) % 97 == int(number[-2:])


def is_dutch_bsn(text: str) -> bool:
    """Whether a burgerservicenummer passes its check of eleven."""
    digits = _digits(text)
    weighed = sum(digit * weight for digit, weight in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return weighed > 0 and weighed % 11 == 0


def is_brazilian_cpf(text: str) -> bool:
    """Whether both check digits are right; one digit eleven times adds up and is nobody's."""
    digits = _digits(text)
    return len(set(digits)) > 1 and all(
        sum(digit * (count + 1 - place) for place, digit in enumerate(digits[:count])) * 10 % 11 % 10 == digits[count]
        for count in (9, 10)
    )


def is_swiss_ahv(text: str) -> bool:
    """Whether the check digit is right, as of an EAN."""
    digits = _digits(text)
    return (10 - sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits[:12])) % 10) % 10 == digits[12]
