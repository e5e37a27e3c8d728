"""Questions over passages of company filings, more than half of which only look as if they had an answer.

Written for this project over the filings of FinanceBench, as an analyst or a shareholder asks: another year, measure or
segment, a cause where there is only a figure. The files of `filings` hold no passage, only where it stands, in the
lines of `tuning/article_questions.py`, whose first kind here is

    # FILING NUMBER DIGEST      a filing (without .pdf), its chunk, from 0, and the first letters of the chunk's hash

The chunks are those that the product cuts; a digest that does not fit says that it cuts others now.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core.settings import load_settings
from tuning.article_questions import read_questions
from tuning.passages_data import Labelled, Passage

SOURCE = "filings"
FILES = tuple(sorted((Path(__file__).parent / "filings").glob("*.txt")))
DIGEST = 8
"""Letters of a chunk's hash."""


def read_filing_questions(data: Path) -> list[Labelled]:
    """Return all questions over their passages; a group is a filing.

    Raises:
        ValueError: a line is of no kind, its words do not stand in the passage, or the passage is another now.
    """
    chunks: dict[str, list[str]] = {}

    def passage(named: str) -> Passage:
        filing, number, digest = named.rsplit(" ", 2)
        if filing not in chunks:
            chunks[filing] = list(filing_passages(data, filing))
        text = chunks[filing][int(number)]
        if digest_of(text) != digest:
            raise ValueError(f"{filing}, passage {number}: cut otherwise than when questions were written over it")
        return Passage("", text, filing.casefold())

    return [item for path in FILES for item in read_questions(path, SOURCE, passage)]


def filing_passages(data: Path, filing: str) -> Iterator[str]:
    """Yield a filing's chunks under their headings, as the readers see them."""
    from ingest.chunk import chunk
    from ingest.clean import assemble
    from ingest.parsers.dispatch import parse
    from ingest.parsers.request import ParseRequest
    from ingest.tokens import TokenCounter
    from models.encoder import load_encoder

    path = data / "financebench/docs" / f"{filing}.pdf"
    settings = load_settings(Path("/nonexistent"))
    encoder = load_encoder(settings.embedder)
    with tempfile.TemporaryDirectory() as spool:
        raw = parse(ParseRequest(path, path.name, Path(spool), 120.0, ocr=False))
        document = assemble(raw, path.stem)
        found = chunk(document, settings.ingest, TokenCounter(encoder.token_spans), encoder.max_tokens)
    yield from (f"{one.heading}\n{one.text}" if one.heading else one.text for one in found)


def digest_of(text: str) -> str:
    """Return the first letters of a passage's hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]
