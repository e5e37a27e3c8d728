"""Which windows of the evidence the model judges of a claim, and that judging fewer changes no verdict."""

from pathlib import Path

import numpy as np
import pytest

from core.settings import load_settings
from generation import support
from generation.cite import Checked, DraftClaim
from generation.passages import passages_of
from generation.support import support_scores
from generation.verify import Grounds, Verifier
from tests.generation.passages import CONTACT, LEAVE, evidence_of

LONG = " ".join(f"Rule {n} says that item {n} goes to shelf {n} of the store behind the main hall." for n in range(60))
EVIDENCE = evidence_of(LEAVE, CONTACT, LONG)
LED = DraftClaim("Maria Santos is who leads the incident response team.", (2,), " ")
UNLIKE = DraftClaim("The moon is made of green cheese and shelf dust.", (1,), " ")


class Judge:
    """Believes every claim beside the window that names Maria Santos; notes what it was asked, batch by batch."""

    def __init__(self, high: float = 0.9) -> None:
        self.batches: list[list[tuple[str, str]]] = []
        self.high = high

    def has(self, adapter: str) -> bool:
        return True

    def card(self, adapter: str):
        return {"threshold": 0.55}

    def score(self, adapter: str, pairs):
        self.batches.append(list(pairs))
        scores = [self.high if "Maria Santos" in text else 0.1 for _, text in pairs]
        return np.array(scores, dtype=np.float32)


@pytest.fixture
def settings(tmp_path: Path):
    settings = load_settings(tmp_path)
    marking = settings.answers.model_copy(update={"unsupported_claims": "mark", "second_reader": False})
    return settings.model_copy(update={"answers": marking})


def checked(settings, judge: Judge, *claims: DraftClaim) -> list[Checked]:
    return list(Verifier(settings, judge).check("", claims, Grounds(EVIDENCE)))  # type: ignore[arg-type]


def test_a_claim_that_its_first_window_supports_costs_one_window(settings):
    judge = Judge()
    (led,) = checked(settings, judge, LED)
    assert (led.verdict, led.places[0].evidence.marker) == ("supported", 2)
    assert [len(batch) for batch in judge.batches if batch] == [1]


def test_only_claims_that_are_left_open_cost_more_and_share_a_batch(settings):
    judge = Judge()
    found = checked(settings, judge, LED, UNLIKE, DraftClaim("Nobody may enter the main hall by night.", (3,), " "))
    assert [claim.verdict for claim in found] == ["supported", "unsupported", "unsupported"]
    assert [len(batch) for batch in judge.batches] == [3, 4]
    assert {claim for claim, _ in judge.batches[1]} == {found[1].claim.text, found[2].claim.text}


def test_a_claim_supported_elsewhere_than_where_it_cites_is_judged_further(settings):
    judge = Judge()
    (led,) = checked(settings, judge, DraftClaim(LED.text, (1,), " "))
    assert [len(batch) for batch in judge.batches] == [1, 2]
    assert [place.evidence.marker for place in led.places] == [2]


def test_a_claim_just_supported_is_judged_further(settings):
    judge = Judge(high=0.6)
    assert checked(settings, judge, LED)[0].verdict == "supported"
    assert [len(batch) for batch in judge.batches] == [1, 2]


def test_a_number_that_the_window_lacks_leaves_the_claim_open(settings):
    judge = Judge()
    (led,) = checked(settings, judge, DraftClaim("Maria Santos leads the incident response team of 14.", (2,), " "))
    assert led.verdict != "supported"
    assert [len(batch) for batch in judge.batches] == [1, 2]


def test_scores_only_rise_with_further_windows(settings):
    passages = passages_of(EVIDENCE)
    claims = [LED.text, UNLIKE.text]
    first = support_scores(claims, passages, settings, Judge(), lambda _index, _scores: True)  # type: ignore[arg-type]
    whole = support_scores(claims, passages, settings, Judge())  # type: ignore[arg-type]
    assert all(a <= b for row, more in zip(first, whole, strict=True) for a, b in zip(row, more, strict=True))
    assert support.ROUNDS[0][1] == support.ROUNDS[1][0]


class Doubter:
    """A second opinion that believes only what is said about leave; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[tuple[str, str]]] = []

    def hear(self, claims: list[tuple[str, str]]) -> list[float]:
        self.asked.append(list(claims))
        return [5.0 if LEAVE in evidence and "leave" in claim else -5.0 for claim, evidence in claims]

    def weigh(self, support: float, logit: float) -> float:
        return 0.9 if logit > 0 else 0.1


@pytest.fixture
def doubter(monkeypatch) -> Doubter:
    found = Doubter()
    monkeypatch.setattr(support, "load_opinion", lambda _settings, _threshold: found)
    return found


def test_what_only_the_adapter_believes_is_not_supported(settings, doubter):
    (led,) = checked(settings, Judge(), LED)
    assert (led.verdict, led.score) == ("unsupported", pytest.approx(0.1))


def test_the_second_reader_is_asked_once_of_each_evidence_and_of_two_at_most(settings, doubter):
    checked(settings, Judge(), LED, UNLIKE)
    asked = [(claim, evidence) for batch in doubter.asked for claim, evidence in batch]
    assert len(set(asked)) == len(asked)
    for claim in (LED, UNLIKE):
        assert 1 <= sum(one == claim.text for one, _ in asked) <= support.HEARD


def test_what_it_believes_is_supported_though_the_adapter_doubts(settings, doubter):
    (leave,) = checked(settings, Judge(), DraftClaim("Employees who go on leave must plan it early.", (1,), " "))
    assert leave.score == pytest.approx(0.9)
    assert [place.evidence.marker for place in leave.places] == [1]
