"""A question that asks several things is answered in each of them."""

from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from core.types import Message
from generation.parts import parts_of
from generation.passages import passages_of
from generation.quote import QuoteGenerator
from models.reader import has_reader
from tests.generation.passages import evidence_of

MINUTES = (
    "Chair: Marian Telford, commodore. The surplus goes to the pontoon reserve. "
    "Ian Brough remains secretary; Lewis Grant remains harbour master. The slipway is built by Harker for £87,500."
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Who is the chair and who is the secretary?", ["Who is the chair", "who is the secretary?"]),
        ("Wer ist Kassenwart und wann ist Sitzung?", ["Wer ist Kassenwart", "wann ist Sitzung?"]),
        ("Qui préside et combien coûte la cotisation ?", ["Qui préside", "combien coûte la cotisation ?"]),
        ("¿Quién preside y cuánto cuesta la cuota?", ["¿Quién preside", "cuánto cuesta la cuota?"]),
        ("What does a berth cost? When is it due?", ["What does a berth cost", "When is it due? berth cost"]),
        ("Which machine was bought and why?", None),
        ("How and where do I apply?", None),
        ("Do you treat cats and dogs?", None),
        ("The alarm rings and what happens then?", None),
        ("Good morning? Dear all? Who are you?", None),
    ],
)
def test_a_question_is_cut_before_its_next_question_word(question: str, parts: list[str] | None) -> None:
    assert parts_of(question) == (parts or [question])


def test_a_follow_up_that_was_lent_words_stays_whole() -> None:
    history = (Message("user", "How much is a berth?"), Message("assistant", "It costs £640."))
    repeated = "How much is a berth? And for a member?"
    assert parts_of(repeated, history) == [repeated]
    assert len(parts_of("Who is the commodore of the sailing club and who is the treasurer?", history)) == 2


def test_each_part_is_answered_in_its_order(settings: Settings) -> None:
    passages = passages_of(evidence_of(MINUTES))
    for question, told in (
        ("Who is the commodore and who is the secretary?", ["Telford", "Brough"]),
        ("Who is the secretary and who is the commodore?", ["Brough", "Telford"]),
    ):
        chosen = QuoteGenerator(settings).choose(question, passages)
        assert all(name in piece.text for name, piece in zip(told, chosen, strict=True))


def test_one_sentence_that_answers_both_parts_is_quoted_once(settings: Settings) -> None:
    passages = passages_of(evidence_of(MINUTES))
    chosen = QuoteGenerator(settings).choose("Who builds the slipway and what does it cost?", passages)
    assert [piece.text for piece in chosen] == ["The slipway is built by Harker for £87,500."]


@pytest.mark.skipif(not has_reader(), reason="without a reader nothing says what answers")
def test_a_part_that_nothing_answers_is_left_out(settings: Settings) -> None:
    passages = passages_of(evidence_of(MINUTES))
    chosen = QuoteGenerator(settings).choose("Who is the secretary and how much is the sauna?", passages)
    assert [piece.text for piece in chosen] == ["Ian Brough remains secretary; Lewis Grant remains harbour master."]
