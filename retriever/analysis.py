"""How text becomes index terms: one analyzer a language, and identifiers kept whole."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
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
ANALYSIS_VERSION = 3
"""Goes up when terms change, so that older snapshots are rebuilt."""


_NAME_PART = re.compile(r"[^\W\d_]+\d{1,2}(?!\d)|\d+|[^\W\d_]+")
"""A part of a name: letters, digits, or letters with a short number such as `q2`; `FY2022` is two."""


def name_terms(text: str) -> list[str]:
    """Return the parts of a name in lower case."""
    return _NAME_PART.findall(text.casefold())


def name_of(title: str, source: str) -> str:
    """Return what a document is called: the parts of its title and of its file's name, each once."""
    stem = PurePosixPath(source.replace("\\", "/")).stem
    return " ".join(dict.fromkeys([*name_terms(title), *name_terms(stem)]))


def named_in(question: str) -> list[str]:
    """Return the parts of names a question may hold; two words may be written as one in a file's name."""
    words = [term for term in name_terms(question) if len(term) > 1 and not _carries_grammar(term)]
    return list(dict.fromkeys([*words, *(first + second for first, second in pairwise(words))]))


@lru_cache(maxsize=20_000)
def _carries_grammar(term: str) -> bool:
    return any(not analyzer(language).analyze(term) for language in ("en", "de", "es", "fr"))


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
    """Return the tantivy analyzer of a name from `analyzer_names`, `identifier` or `name`."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    if name == "name":
        return TextAnalyzerBuilder(Tokenizer.whitespace()).build()
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
