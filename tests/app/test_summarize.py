"""What a quoted summary may be made of."""

from __future__ import annotations

from app.summarize import quotable
from generation.passages import passages_of
from tests.generation.passages import evidence_of

STEPS = "Steps after a phishing mail\n\n- Do not answer.\n- Delete the mail from the inbox."
PROSE = "Head of a letter without an end\n\nClaims are filed within 30 days. Late claims are not paid."


def texts(text: str, sentences: int) -> list[str]:
    return [passage.text for passage in quotable(passages_of(evidence_of(text)), sentences)]


def test_sentences_come_before_titles_and_lists() -> None:
    prose = ["Claims are filed within 30 days.", "Late claims are not paid."]
    assert texts(f"{PROSE}\n\n{STEPS}", 2) == prose
    assert texts(f"{PROSE}\n\n{STEPS}", 4) == [*prose, "Do not answer.", "Delete the mail from the inbox."]


def test_a_document_of_lists_or_titles_alone_is_summed_up_too() -> None:
    assert texts(STEPS, 8) == ["Do not answer.", "Delete the mail from the inbox."]
    assert texts("A title that is all there is", 8) == ["A title that is all there is"]
