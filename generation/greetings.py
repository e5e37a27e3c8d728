"""Texts that greet, thank, ask what this is or say nothing at all: nothing to look up, so nothing to quote."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from core.types import Message
from generation.languages import DEFAULT, language_of

LONGEST = 80
"""Characters; who writes more than a greeting's worth asks something."""
_BETWEEN = re.compile(r"[\W_]+")


def greeting_language(text: str, history: Sequence[Message] = ()) -> str | None:
    """Return the language in which a text greets, thanks or asks what can be asked; `None` where it asks more.

    A text without a letter or a digit ("?", "🙂") asks nothing either, in the language of the question before it.
    """
    plain = _plain(text)
    if not plain:
        return next((language_of(said.content) for said in reversed(history) if said.role == "user"), DEFAULT)
    if len(plain) > LONGEST:
        return None
    return next((language for language, pattern in _patterns().items() if pattern.fullmatch(plain)), None)


def without_greetings(history: Sequence[Message]) -> tuple[Message, ...]:
    """Return a conversation without its greetings and what was replied to them: a follow-up leans on neither."""
    kept: list[Message] = []
    greeted = False
    for message in history:
        greeted = greeting_language(message.content) is not None if message.role == "user" else greeted
        if not greeted:
            kept.append(message)
    return tuple(kept)


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Return a pattern a language: at least one of its phrases, and fillers around them."""
    told = tomllib.loads((files("generation") / "greetings.toml").read_text(encoding="utf-8"))
    fillers = _either(told["fillers"])
    return {
        language: re.compile(rf"(?:{fillers} )*{_either(phrases)}(?: ?(?:{_either(phrases)}|{fillers}))*")
        for language, phrases in told["phrases"].items()
    }


def _either(phrases: list[str]) -> str:
    longest_first = sorted(map(_plain, phrases), key=len, reverse=True)
    return rf"(?:{'|'.join(map(re.escape, longest_first))})"


def _plain(text: str) -> str:
    return _BETWEEN.sub(" ", text.casefold()).strip()
