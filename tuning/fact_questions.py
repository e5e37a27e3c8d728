"""Questions over lone facts of organisations: two or three that a fact answers, and more that it only looks as if.

Written for this project: where a passage is a sentence or two, nothing but its meaning tells annual leave from sick
leave. Of both kinds of question some are put in the fact's own words and some in quite others: shared words must tell
little. The facts of `sentences.txt` are sentences out of the documents of `organisations`. A file of
`facts`:

    = FACT                    one to three sentences
    + QUESTION | WORDS        answered in these words of the fact
    - QUESTION                of the same or a neighbouring thing, and not answered
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tuning.passages_data import Passage, written_row

SOURCE = "facts"
FILES = tuple(sorted((Path(__file__).parent / "facts").glob("*.txt")))


def make_fact_rows(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Yield rows for readers; a group is a fact, and whole ones are held out.

    Raises:
        ValueError: a line has no mark, or an answer does not stand in its fact.
    """
    for path in paths:
        fact = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            mark, rest = line[:2], line[2:].strip()
            question, _, answer = (part.strip() for part in rest.partition(" | "))
            if mark == "= ":
                fact = rest
            elif (mark == "+ " and answer and answer in fact) or (mark == "- " and not answer):
                yield written_row(question, Passage("", fact, ""), answer, f"fact {fact}", SOURCE)
            elif line.strip():
                raise ValueError(f"{path.name}, line {number}: {line!r} has no mark, or words that the fact has not")
