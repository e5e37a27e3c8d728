"""The pieces that rank first are read once more, alone, and what is said of them decides."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from generation.alone import READ, read_alone
from generation.passages import Passage, passages_of
from generation.quote import CLOSE
from models.pointer import SecondReading
from models.reader import has_reader
from models.second_reader import has_second_reader, load_second_reader
from tests.generation.passages import evidence_of

pytestmark = pytest.mark.skipif(not (has_reader() and has_second_reader()), reason="the readers' weights are missing")
HOURS = (
    "The shop opens at nine. The shop closes at six. Parking is free for two hours. Dogs stay outside. "
    "The cellar floods in spring. Ask Tom for the key. Bread is baked on Fridays."
)
PRICES = "| Country | Hotel limit |\n|---|---|\n| Spain | 120 EUR |\n| France | 160 EUR |\n| Italy | 140 EUR |\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def said(monkeypatch: pytest.MonkeyPatch, logits: dict[str, float]) -> list[str]:
    """Let the second reader say these logits of texts with these words, -6 of others; return what it is given."""
    read: list[str] = []

    class Reader:
        def read(self, question: str, passages: Sequence[str]) -> list[SecondReading]:
            read.extend(passages)
            return [
                SecondReading(next((logit for words, logit in logits.items() if words in passage), -6.0))
                for passage in passages
            ]

    monkeypatch.setattr("models.second_reader.load_second_reader", lambda _: Reader())
    return read


def ranked(text: str, step: float = 0.1) -> list[tuple[float, Passage]]:
    return [(0.9 - step * place, passage) for place, passage in enumerate(passages_of(evidence_of(text)))]


def test_what_is_said_of_a_piece_alone_decides_among_the_first(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = said(monkeypatch, {"closes at six": 5.0})
    pieces = ranked(HOURS)
    found = read_alone("When does the shop close?", pieces, settings)
    assert len(read) == READ
    assert found[0][1].text == "The shop closes at six."
    assert {passage.text for _, passage in found} == {passage.text for _, passage in pieces}
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)


def test_rows_that_a_question_compares_keep_beside_each_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(monkeypatch, {"France": 3.0, "Italy": 2.0})
    found = read_alone("Compare the hotel limit of Spain and France", ranked(PRICES, 0.02), settings)
    assert {found[0][1].text.split()[1], found[1][1].text.split()[1]} == {"Spain", "France"}
    assert found[1][0] > CLOSE * found[0][0]


def test_without_a_second_reader_the_pieces_stay_as_they_are(settings: Settings) -> None:
    alone = settings.model_copy(update={"answers": settings.answers.model_copy(update={"second_reader": False})})
    pieces = ranked(HOURS)
    assert read_alone("When does the shop close?", pieces, alone) == pieces


@pytest.mark.parametrize(
    ("question", "fact", "answered"),
    [
        ("How much does the soup of the day cost?", "The soup of the day costs two dollars.", True),
        ("What does the soup cost?", "The soup of the day costs two dollars.", True),
        ("May I bring my dog?", "Dogs on a lead are welcome in the bar.", True),
        ("May I bring my cat?", "Dogs on a lead are welcome in the bar.", False),
        ("How many days of annual leave do I get?", "Employees receive 28 days of annual leave a year.", True),
        ("How many days of sick leave do I get?", "Employees receive 28 days of annual leave a year.", False),
    ],
)
def test_a_lone_sentence_is_read_by_its_meaning(settings: Settings, question: str, fact: str, answered: bool) -> None:
    (reading,) = load_second_reader(settings.embedder).read(question, [fact])
    assert (reading.logit > 0) == answered
