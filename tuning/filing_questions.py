"""Questions over passages of company filings, more than half of which only look as if they had an answer.

Written for this project over the filings of FinanceBench, as an analyst or a shareholder asks: another year, measure or
segment, a cause where there is only a figure. The files of `filings` hold no passage, only where it stands, in the
lines of `tuning/article_questions.py`, whose first kind here is

    # FILING NUMBER DIGEST      a filing (without .pdf), its chunk, from 0, and the first letters of the chunk's hash

The chunks are those that the product cuts (`python -m bench.filing_passages`); a digest that does not fit says that it
cuts others now.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from tuning.article_questions import read_questions
from tuning.passages_data import Labelled, Passage, read_rows

SOURCE = "filings"
FILES = tuple(sorted((Path(__file__).parent / "filings").glob("*.txt")))
DIGEST = 8
"""Letters of a chunk's hash."""


def read_filing_questions(passages: Path) -> list[Labelled]:
    """Return all questions over their passages, those of a file of `{"filing", "number", "text"}`; a group is a filing.

    Raises:
        ValueError: a line is of no kind, its words do not stand in the passage, or the passage is another now.
    """
    texts = {(row["filing"], row["number"]): row["text"] for row in read_rows(passages)}

    def passage(named: str) -> Passage:
        filing, number, digest = named.rsplit(" ", 2)
        text = texts.get((filing, int(number)), "")
        if digest_of(text) != digest:
            raise ValueError(f"{filing}, passage {number}: cut otherwise than when questions were written over it")
        return Passage("", text, filing.casefold())

    return [item for path in FILES for item in read_questions(path, SOURCE, passage)]


def digest_of(text: str) -> str:
    """Return the first letters of a passage's hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]
