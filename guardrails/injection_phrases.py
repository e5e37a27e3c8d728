"""The classic injections in languages the encoder hardly reads, by patterns (`injection_phrases.toml`); 0.02 ms a text.

English is the classifier's. How many paraphrases they catch together: `python -m bench.rails languages`; no pattern
matches a question of XQuAD in six languages or a harmless row of the prompt injection set (docs/results).
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

_GAP = re.compile(r"<(\d+)>")
_CHARACTERS = 20_000


def orders_in_other_languages(text: str) -> bool:
    """Whether a text holds one of the classic orders in a language the classifier does not know."""
    text = text[:_CHARACTERS].lower()
    return any(pattern.search(text) for hints, pattern in _languages() if any(map(text.__contains__, hints)))


@cache
def _languages() -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    """Return, for each language, the words that hint at a pattern and its patterns as one."""
    file = Path(__file__).with_name("injection_phrases.toml")
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    return tuple((tuple(entry["hints"]), _compiled(entry["patterns"])) for entry in found.values())


def _compiled(patterns: list[str]) -> re.Pattern[str]:
    # A gap ends with its sentence: what stands in the next one is not what the order is about.
    spelt = [_GAP.sub(r"[^.!?。！？\\n]{0,\1}", pattern) for pattern in patterns]
    return re.compile("|".join(f"(?:{pattern})" for pattern in spelt))
