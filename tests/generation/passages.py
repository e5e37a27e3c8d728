"""Evidence made by hand for the tests of this room."""

from __future__ import annotations

from datetime import UTC, datetime

from core.types import Chunk, Evidence, ScoredChunk, Scores

LEAVE = """### Annual leave

You may use annual leave for any reason. Annual leave accrues based on how long you’ve worked here:

* Fewer than 3 years: 4 hours per pay period
* Between 3 and 15 years: 6 hours per pay period
* 15+ years: 8 hours per pay period

You can carry over a maximum of 240 annual leave hours to the next year."""
CONTACT = "Report a phishing email with Cofense. The incident response team is led by Maria Santos.\n"
RATES = "| City | Rate |\n|---|---|\n| Tokyo | 120 USD |\n| Berlin | 80 USD |\n"


def evidence_of(*texts: str, offset: int = 100) -> tuple[Evidence, ...]:
    """Return one evidence a text, each a chunk that begins at `offset` in a document of its own."""
    return tuple(
        Evidence(
            number,
            ScoredChunk(
                Chunk(number, f"d{number}", 1, 0, offset, offset + len(text), None, "", text),
                f"Page {number}",
                f"{number}.md",
                "default",
                1.0 / number,
                Scores(dense=0.5),
                datetime(2026, 1, number, tzinfo=UTC),
            ),
        )
        for number, text in enumerate(texts, start=1)
    )
