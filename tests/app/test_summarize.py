"""What a quoted summary may be made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.runtime import Runtime
from app.summarize import Subject, quotable, summarize
from core.errors import Stopping
from core.types import OPERATOR
from generation.passages import passages_of
from tests.generation.passages import evidence_of

LEANING = """# Parental leave

Parental leave lasts sixteen weeks. It may be split into two parts.

Part-time staff get leave in proportion. This is counted in hours.
"""
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


@pytest.fixture
def leaning(runtime: Runtime, tmp_path: Path) -> Subject:
    """A collection of sentences, half of which lean on the one before."""
    from ingest.run import IngestOptions, ingest

    page = tmp_path / "parental.md"
    page.write_text(LEANING, encoding="utf-8")
    options = IngestOptions(collection="leaning")
    ingest([page], options, database=runtime.database, settings=runtime.settings, encoder=runtime.encoder)
    runtime.retriever.sync()
    return Subject(OPERATOR, collection="leaning")


@pytest.mark.parametrize("sentences", [1, 2, 3, 8])
def test_a_sentence_stands_below_the_one_it_leans_on(runtime: Runtime, leaning: Subject, sentences: int) -> None:
    told = [line.partition(" [")[0] for line in summarize(runtime, leaning, sentences=sentences).text.splitlines()]
    assert 0 < len(told) <= sentences
    assert len(set(told)) == len(told)
    for before, after in (("Parental leave lasts", "It may"), ("Part-time staff", "This is")):
        for at, line in enumerate(told):
            assert not line.startswith(after) or told[at - 1 : at][0].startswith(before)


def test_a_summary_whose_reader_has_gone_is_given_up(
    runtime: Runtime, leaning: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left to read what a model would write for minutes."""

    class Model:
        name = model = "embedded"

        def draft(self, *_: object) -> list[str]:
            return ["Parental leave lasts sixteen weeks. [1]"]

    monkeypatch.setattr(Runtime, "generator", lambda *_: Model())
    with pytest.raises(Stopping):
        summarize(runtime, leaning, stopped=lambda: True)
