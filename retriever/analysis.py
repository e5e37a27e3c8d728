"""How text becomes index terms: one analyzer a language, and identifiers kept whole."""

from __future__ import annotations

from functools import cache
from typing import Any

LANGUAGES = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""ISO 639-1 codes of the languages with a stemmer."""
NO_STOPWORDS = frozenset({"ar", "el", "ro", "ta", "tr"})
"""Those of them for which tantivy has no list of stop words."""
UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})
"""Languages written without spaces: indexed by pairs of characters."""
IDENTIFIER = r"[\p{L}\p{N}]+(?:[-_./:#@+][\p{L}\p{N}]+)+"
"""A compound such as `ISO-27001`, `v1.2.3` or `foo_bar`, found as one term besides its parts."""
LONGEST_TERM = 80
ANALYSIS_VERSION = 1
"""Goes up when terms change, so that older snapshots are rebuilt."""


def analyzer_name(language: str | None) -> str:
    """Return the analyzer of a document's language code: a stemmer's, `pairs` or `plain`."""
    code = (language or "en").split("-")[0].lower()
    if code in LANGUAGES:
        return code
    return "pairs" if code in UNSPACED else "plain"


def analyzer_names() -> tuple[str, ...]:
    """Return every analyzer a chunk's text may go through."""
    return (*LANGUAGES, "pairs", "plain")


@cache
def analyzer(name: str) -> Any:
    """Return the tantivy analyzer of a name from `analyzer_names`, or `identifier`."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    if name == "identifier":
        return TextAnalyzerBuilder(Tokenizer.regex(IDENTIFIER)).filter(Filter.lowercase()).build()
    if name == "pairs":
        return TextAnalyzerBuilder(Tokenizer.ngram(2, 2)).filter(Filter.lowercase()).build()
    builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(LONGEST_TERM))
    builder = builder.filter(Filter.lowercase()).filter(Filter.ascii_fold())
    if name in LANGUAGES:
        if name not in NO_STOPWORDS:
            builder = builder.filter(Filter.stopword(LANGUAGES[name]))
        builder = builder.filter(Filter.stemmer(LANGUAGES[name]))
    return builder.build()
