"""A rail's own threshold is that of the adapter in force, which may change while a server runs."""

from __future__ import annotations

import json
import shutil

import pytest

from core.settings import RailPolicy, RailSettings, Settings
from guardrails.rails import UNAVAILABLE, Rails
from guardrails.registry import build_rails
from models.adapters import Classifier
from tests.guardrails.conftest import evidence, hit
from tests.guardrails.test_rails import Fixed, verdict

TRAINED = ("toxicity", "prompt_injection", "harmful_requests", "indirect_injection", "groundedness")
STAGES = {"indirect_injection": "retrieval", "groundedness": "output"}


class Tuned(Fixed):
    """A classifier whose adapters are trained anew while it serves."""

    own = 0.5

    def threshold(self, adapter: str) -> float:
        if self.own is None:
            raise ValueError("a card that is not JSON")
        return self.own

    def has(self, adapter: str) -> bool:
        return True

    def card(self, adapter: str):
        return {}


def judged(rails: Rails, name: str):
    """The verdict of a rail at a stage it guards."""
    if STAGES.get(name) == "retrieval":
        return verdict(rails.check_retrieval([hit("Leave is paid. Ask early.")])[1], name)
    if STAGES.get(name) == "output":
        return verdict(rails.check_output("Leave is paid.", evidence("Leave is paid."))[1], name)
    return verdict(rails.check_input("How much leave?"), name)


def opened(tmp_path, classifier, **policy) -> Rails:
    named = {"groundedness": RailPolicy(action="flag"), **policy}
    settings = Settings(home=tmp_path, rails=RailSettings(policy=named))
    return Rails(settings, classifier, build_rails(settings, classifier))


@pytest.mark.parametrize("name", TRAINED)
def test_a_newly_trained_adapter_is_held_to_its_own_threshold(tmp_path, name):
    classifier = Tuned()
    rails = opened(tmp_path, classifier)
    before = judged(rails, name).threshold
    classifier.own = 0.75
    assert (before, judged(rails, name).threshold) == (0.5, 0.25 if name == "groundedness" else 0.75)


@pytest.mark.parametrize("name", TRAINED)
def test_a_threshold_of_the_policy_stays(tmp_path, name):
    classifier = Tuned()
    rails = opened(tmp_path, classifier, **{name: RailPolicy(threshold=0.9)})
    classifier.own = 0.75
    assert judged(rails, name).threshold == 0.9


@pytest.mark.parametrize("name", TRAINED)
def test_an_adapter_whose_card_cannot_be_read_is_unavailable(tmp_path, name):
    classifier = Tuned()
    rails = opened(tmp_path, classifier, groundedness=RailPolicy(action="block"))
    classifier.own = None
    found = judged(rails, name)
    assert found.reason.startswith(UNAVAILABLE)
    assert found.action in ("block", "redact")


def test_a_roll_back_is_seen_by_a_classifier_that_serves(tmp_path):
    from models.adapter_files import WEIGHTS

    own = tmp_path / "adapters" / "toxicity"
    for version, threshold in (("v1", 0.123), ("v2", 0.456)):
        shutil.copytree(WEIGHTS / "toxicity", own / version)
        card = json.loads((own / version / "card.json").read_text(encoding="utf-8"))
        (own / version / "card.json").write_text(json.dumps({**card, "threshold": threshold}), encoding="utf-8")
    (own / "current").write_text("v2", encoding="utf-8")
    classifier = Classifier("cpu", tmp_path)
    settings = Settings(home=tmp_path)
    (rail,) = (rail for rail in build_rails(settings, classifier) if rail.name == "toxicity")
    assert rail.threshold == 0.456
    (own / "current").write_text("v1", encoding="utf-8")
    assert rail.threshold == 0.123
