"""Presidio's pattern recognisers, set up so that nothing is downloaded and no language model runs.

The recognisers check what they find (IBANs by their checksum); ours add phone numbers and driving licences in more
spellings and national ids (`national_ids.py`), and cards are found without them (`cards.py`). Context words are
compared with plain lower-case tokens. An NHS number needs one: its check is that of an ISBN of ten digits.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from guardrails.cards import find_cards
from guardrails.national_ids import BESIDE_A_WORD, Checked, national_ids
from guardrails.presidio_import import without_transformers

with without_transformers():
    from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
    from presidio_analyzer.predefined_recognizers import (
        CryptoRecognizer,
        IbanRecognizer,
        IpRecognizer,
        NhsRecognizer,
        PhoneRecognizer,
        UsItinRecognizer,
        UsLicenseRecognizer,
        UsSsnRecognizer,
    )

MINIMUM = 0.4
"""Presidio's confidence below which a match without context or checksum is not reported."""
PIECE_CHARACTERS, _MARGIN_CHARACTERS = 4000, 400
"""A long text is read in pieces, each with its neighbours' ends, where words stand that say what a number is."""
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "CH", "AT", "NL", "IN")
_PHONE_WORDS = ["phone", "telephone", "cell", "mobile", "call", "fax"]
"""Not Presidio's `number`, which stands before any other number as well and made a phone number of it."""
_lock = threading.Lock()
_NEEDED = re.compile(r"[\d@:]|www\.", re.IGNORECASE)
"""Every pattern wants a digit, an at sign, a colon or `www.`: a text without one is spared two milliseconds."""

_LICENCE = (
    r"(?<![\w-])(?:[A-Z][ -]?\d{3}(?:[ -]\d{3}){3}|[A-Z]\d{3}-\d{4}-\d{4}(?:-\d\d)?|[A-Z]\d{3}-\d{3}-\d\d-\d{3}-\d"
    r"|[A-Z]\d{4}[ -]\d{5}[ -]\d{5}|[A-Z]\d\d-\d{3}-\d{3}|[A-Z]\d\d-\d\d-\d{4}|[A-Z]{2}-?\d\d-\d\d-\d\d)(?![\w-])"
)
"""Driving licences as states print them, in groups, of which Presidio's pattern takes the first for the whole."""
_LICENCE_WORDS = ["driver", "driving", "license", "licence", "permit"]
"""Not Presidio's `lic`: words are looked for inside words, and `policy` and `public` hold it."""

_PASSPORT_WORDS = ["passport", "reisepass", "passeport", "pasaporte"]
"""Not Presidio's `us`, `document` and `travel`, beside which any nine digits were a passport's."""


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
    return [
        *_recognised(text),
        *(PatternSpan(card.start, card.end, "CREDIT_CARD", card.score) for card in find_cards(text)),
    ]


def _recognised(text: str) -> Iterator[PatternSpan]:
    """Yield what the recognisers find, piece by piece: of a whole text, Presidio compares each find with every word."""
    for piece in range(0, len(text), PIECE_CHARACTERS):
        before = max(0, piece - _MARGIN_CHARACTERS)
        part = text[before : piece + PIECE_CHARACTERS + _MARGIN_CHARACTERS]
        if not _NEEDED.search(part):
            continue
        with _lock:
            results = _engine().analyze(part, language="en", score_threshold=MINIMUM)
        for found in results:
            if piece <= before + found.start < piece + PIECE_CHARACTERS:
                start, end = before + found.start, before + found.end
                yield PatternSpan(start, end, str(found.entity_type), float(found.score))


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
        CryptoRecognizer(),
        IbanRecognizer(),
        IpRecognizer(),
        PhoneRecognizer(supported_regions=_REGIONS, context=_PHONE_WORDS),
        UsItinRecognizer(),
        UsLicenseRecognizer(context=_LICENCE_WORDS),
        UsSsnRecognizer(patterns=_ssn_beside_a_word()),
        *_own(),
        *national_ids(),
    ]
    return AnalyzerEngine(registry=registry, nlp_engine=_PlainTokens(), supported_languages=["en"])


def _own() -> list[PatternRecognizer]:
    def pattern(entity: str, regex: str, score: float, *context: str) -> PatternRecognizer:
        return PatternRecognizer(
            entity, patterns=[Pattern(entity, regex, score)], context=list(context) or None, supported_language="en"
        )

    return [
        pattern("EMAIL_ADDRESS", r"(?<![\w.+'-])[\w.+'-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b", 1.0),
        pattern("URL", r"\bhttps?://[^\s<>\"')\]]+|\bwww\.[\w-]+(?:\.[\w-]+)+[^\s<>\"')\]]*", 0.9),
        pattern("US_SSN", r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])", 0.9),
        pattern("PHONE_NUMBER", r"(?<![\w.-])\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}(?:x\d{1,5})?\b", 0.7),
        pattern("PHONE_NUMBER", r"(?<![\w.-])(?:001-)?\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}(?: ?x\d{1,5})?(?![\w-])", 0.7),
        pattern("PHONE_NUMBER", r"(?<![\w.-])0\d(?:[. ]\d\d){4}(?![\w.-])", 0.7),
        pattern("US_DRIVER_LICENSE", _LICENCE, 0.3, *_LICENCE_WORDS),
        pattern("PASSPORT", r"\b(?:\d{9}|[A-Z]\d{8})\b", BESIDE_A_WORD, *_PASSPORT_WORDS),
        pattern("UK_NINO", r"\b(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", 0.7),
        Checked("UK_NHS", r"\b\d{3}([ -]?)\d{3}\1\d{4}\b", NhsRecognizer().validate_result, ["nhs"], alone=False),
    ]


def _ssn_beside_a_word() -> list[Pattern]:
    """Presidio's forms of a social security number: with hyphens it is ours already, with spaces a row of a table."""
    return [Pattern(known.name, known.regex, min(known.score, BESIDE_A_WORD)) for known in UsSsnRecognizer.PATTERNS]
