"""Terms of the trade and what documents say instead: a question about a "quick ratio" is answered by a balance sheet.

Neither the words nor the meaning of such a question lead to the passage that answers it, so what the term stands for is
searched as well. `glossary.txt` beside this file ships; the file of that name in the home adds an organisation's own.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from core.errors import InvalidInput
from core.types import Query

PACKAGED = Path(__file__).parent / "glossary.txt"
NAME = "glossary.txt"
WEIGHT = 0.8
"""What a term stands for weighs so much beside the question: it is what the answer is made of."""


class Glossary:
    """Meanings by term; a term may have several forms."""

    def __init__(self, meanings: dict[str, str]) -> None:
        self._meanings = meanings
        forms = "|".join(re.escape(form) for form in sorted(meanings, key=len, reverse=True))
        self._forms = re.compile(rf"(?<!\w)(?:{forms})(?!\w)") if forms else None

    @classmethod
    def read(cls, *files: Path) -> Glossary:
        """Read glossaries, a later one over an earlier; a file that is not there is empty.

        Raises:
            InvalidInput: a line is not `term | other form = meaning`, or the file is not UTF-8.
        """
        meanings: dict[str, str] = {}
        for file in files:
            lines = _lines(file) if file.is_file() else []
            for number, line in enumerate(lines, 1):
                if line.strip() and not line.lstrip().startswith("#"):
                    meanings.update(_entry(line, f"{file}:{number}"))
        return cls(meanings)

    def meaning(self, text: str) -> str:
        """Return what the terms of a text stand for, each once, the longest form that fits at each place; else ``."""
        if self._forms is None:
            return ""
        found = (self._meanings[form] for form in self._forms.findall(_plain(text)))
        return "; ".join(dict.fromkeys(found))

    def explained(self, query: Query) -> Query:
        """Return a query with what its terms stand for beside it, or as it is where it has none."""
        meaning = self.meaning(query.asked or query.text)
        return replace(query, earlier=(*query.earlier, (meaning, WEIGHT))) if meaning else query


@cache
def packaged() -> Glossary:
    """Return the glossary that ships."""
    return Glossary.read(PACKAGED)


def glossary_of(home: Path) -> Glossary:
    """Return the glossary of a home: the packaged one, and over it the home's own where there is one."""
    own = home / NAME
    return Glossary.read(PACKAGED, own) if own.is_file() else packaged()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8: save it with that encoding ({error})") from error


def _entry(line: str, where: str) -> dict[str, str]:
    forms, equals, meaning = line.partition("=")
    named = [_plain(form) for form in forms.split("|") if form.strip()]
    if not (equals and named and meaning.strip()):
        raise InvalidInput(f"{where} is not `term | other form = what documents say`")
    return dict.fromkeys(named, meaning.strip())


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
