"""Presidio's pattern recognisers, set up so that nothing is downloaded and no language model runs.

The recognisers check what they find (card numbers by Luhn, IBANs by their checksum); ours add national
ids and phone numbers in more spellings. Context words are compared with plain lower-case tokens.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from guardrails.presidio_import import without_transformers

with without_transformers():
    from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        CryptoRecognizer,
        IbanRecognizer,
        IpRecognizer,
        NhsRecognizer,
        PhoneRecognizer,
        UsItinRecognizer,
        UsLicenseRecognizer,
        UsPassportRecognizer,
        UsSsnRecognizer,
    )

MINIMUM = 0.4
"""Presidio's confidence below which a match without context or checksum is not reported."""
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "CH", "AT", "NL", "IN")
_lock = threading.Lock()
_NEEDED = re.compile(r"[\d@:]|www\.", re.IGNORECASE)
"""Every pattern wants a digit, an at sign, a colon or `www.`: a text without one is spared two milliseconds."""


@dataclass(frozen=True, slots=True)
class PatternSpan:
    """`text[start:end]` matches a pattern of this Presidio type."""

    start: int
    end: int
    name: str
    score: float


def find_patterns(text: str) -> list[PatternSpan]:
    """Return what the patterns find, unordered and perhaps overlapping."""
    if not _NEEDED.search(text):
        return []
    with _lock:
        results = _engine().analyze(text, language="en", score_threshold=MINIMUM)
    return [PatternSpan(r.start, r.end, str(r.entity_type), float(r.score)) for r in results]


class _PlainTokens(NlpEngine):  # type: ignore[misc]
    """Tokens without a model: enough for Presidio to look for context words."""

    def __init__(self) -> None:
        import spacy

        self._nlp: Any = spacy.blank("en")

    def load(self) -> None:
        """Nothing to load."""

    def is_loaded(self) -> bool:
        """Always."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Tokenise a text."""
        tokens = self._nlp.make_doc(text)
        words = [token.text.lower() for token in tokens]
        return NlpArtifacts([], tokens, [token.idx for token in tokens], words, self, language)

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **_: Any
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """Tokenise several texts."""
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """Whether a word is too common to be context."""
        return bool(self._nlp.vocab[word].is_stop)

    def is_punct(self, word: str, language: str) -> bool:
        """Whether a word is punctuation."""
        return bool(self._nlp.vocab[word].is_punct)

    def get_supported_entities(self) -> list[str]:
        """None: it has no model."""
        return []

    def get_supported_languages(self) -> list[str]:
        """English."""
        return ["en"]


@cache
def _engine() -> AnalyzerEngine:
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.recognizers = [
        CreditCardRecognizer(),
        CryptoRecognizer(),
        IbanRecognizer(),
        IpRecognizer(),
        NhsRecognizer(),
        PhoneRecognizer(supported_regions=_REGIONS),
        UsItinRecognizer(),
        UsLicenseRecognizer(),
        UsPassportRecognizer(),
        UsSsnRecognizer(),
        *_own(),
    ]
    return AnalyzerEngine(registry=registry, nlp_engine=_PlainTokens(), supported_languages=["en"])


class _Checked(PatternRecognizer):  # type: ignore[misc]
    """A pattern with a check of the digits."""

    def __init__(self, entity: str, pattern: str, check: Any, context: list[str]) -> None:
        super().__init__(entity, patterns=[Pattern(entity, pattern, 0.5)], context=context, supported_language="en")
        self._check = check

    def validate_result(self, pattern_text: str) -> bool:
        """Whether the digits add up."""
        return bool(self._check(pattern_text))


def _own() -> list[PatternRecognizer]:
    def pattern(entity: str, regex: str, score: float, *context: str) -> PatternRecognizer:
        return PatternRecognizer(
            entity, patterns=[Pattern(entity, regex, score)], context=list(context) or None, supported_language="en"
        )

    return [
        pattern("EMAIL_ADDRESS", r"(?<![\w.+-])[\w.+'-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b", 1.0),
        pattern("URL", r"\bhttps?://[^\s<>\"')\]]+|\bwww\.[\w-]+(?:\.[\w-]+)+[^\s<>\"')\]]*", 0.9),
        pattern("US_SSN", r"(?<![\d-])(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}(?![\d-])", 0.9),
        pattern("PHONE_NUMBER", r"(?<![\w.-])\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}(?:x\d{1,5})?\b", 0.75),
        pattern("PHONE_NUMBER", r"(?<![\w.-])(?:001-)?\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}(?: ?x\d{1,5})?(?![\w-])", 0.75),
        pattern("PHONE_NUMBER", r"(?<![\w.-])0\d(?:[. ]\d\d){4}(?![\w.-])", 0.7),
        pattern("UK_NINO", r"\b(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", 0.7),
        _Checked("CREDIT_CARD", r"(?<![\d-])(?:\d[ -]?){11,18}\d(?![\d-])", _is_card, ["card", "credit", "cc", "visa"]),
        pattern("CREDIT_CARD", r"(?<![\d-])[3-6]\d{11,18}(?![\d-])", 0.1, "card", "credit", "cc", "visa", "mastercard"),
        _Checked("NATIONAL_ID", r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b", _is_german_tax_id, ["tax", "steuer", "id"]),
        _Checked("NATIONAL_ID", r"\b\d{8}[A-HJ-NP-TV-Z]\b", _is_spanish_dni, ["dni", "nif"]),
        _Checked("NATIONAL_ID", r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b", _is_swiss_ahv, ["ahv", "avs"]),
    ]


def luhn(digits: str) -> bool:
    """Whether a number passes the Luhn check."""
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 12 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 2 and luhn(digits)


def _is_german_tax_id(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return digits[0] != "0" and (11 - product) % 10 == int(digits[10]) and len(set(digits[:10])) in (8, 9)


def _is_spanish_dni(text: str) -> bool:
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23] == text[8]


def _is_swiss_ahv(text: str) -> bool:
    digits = [int(d) for d in re.sub(r"\D", "", text)]
    return (10 - sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits[:12])) % 10) % 10 == digits[12]
