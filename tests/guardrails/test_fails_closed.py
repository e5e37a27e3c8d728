"""Every rail that guards something fails closed by default, at every stage it guards, and says which it was."""

from __future__ import annotations

import pytest

from core.settings import RailPolicy, RailSettings, Settings
from guardrails.policy import effective
from guardrails.rail import is_classifier_rail
from guardrails.rails import UNAVAILABLE, Rails, blocked_by
from guardrails.registry import build_rails
from tests.guardrails.conftest import evidence, hit

TEXT = "Twelve weeks of leave."
SETTINGS = RailSettings(
    domain_description="Leave and travel",
    external_guard_url="http://127.0.0.1:9/v1",
    policy={"groundedness": RailPolicy(action="block")},
)
REPORTS_ONLY = {("pii", "input"), ("pii", "ingest"), ("secrets", "input"), ("secrets", "ingest")}
"""Where a rail only reports; what is kept of a question is blanked all the same when it cannot run."""


class Away:
    """A classifier whose weights cannot be read."""

    def threshold(self, adapter: str) -> float:
        return 0.5

    def score_many(self, requests):
        raise OSError("no weights")

    def score_spans(self, adapter, texts):
        raise OSError("no weights")


def broken(rail):
    """The rail, unable to run."""

    def fail(*_args):
        raise OSError("cannot run")

    for way in ("requests", "judge") if is_classifier_rail(rail) else ("check", "check_all"):
        if hasattr(rail, way):
            setattr(rail, way, fail)
    return rail


def pairs() -> list[tuple[str, str]]:
    rails = build_rails(Settings(home="/nowhere", rails=SETTINGS), Away())  # type: ignore[arg-type]
    return [(rail.name, stage) for rail in rails for stage in sorted(rail.stages)]


def run(tmp_path, name: str) -> Rails:
    """The rails with one alone, unable to run."""
    settings = Settings(home=tmp_path, rails=SETTINGS)
    built = build_rails(settings, Away())  # type: ignore[arg-type]
    rails = Rails(settings, Away(), built)  # type: ignore[arg-type]
    rails._rails = tuple(broken(rail) for rail in built if rail.name == name)
    return rails


@pytest.mark.parametrize(("name", "stage"), [pair for pair in pairs() if pair not in REPORTS_ONLY])
def test_a_rail_that_cannot_run_stops_the_text(tmp_path, name, stage):
    rails = run(tmp_path, name)
    if stage == "retrieval":
        kept, verdicts = rails.check_retrieval([hit(TEXT, 1), hit(f"{TEXT} {TEXT}", 2)])
        assert kept == ()
        assert verdicts[0].reason.startswith(UNAVAILABLE)
        return
    if stage == "output":
        verdicts = rails.check_output(TEXT, evidence(TEXT))[1]
    else:
        verdicts = rails.check_input(TEXT) if stage == "input" else rails.scan_document(TEXT)
    stopped = blocked_by(verdicts)
    assert stopped is not None
    assert (stopped.rail, stopped.reason) == (name, UNAVAILABLE)


@pytest.mark.parametrize(("name", "stage"), sorted(REPORTS_ONLY))
def test_a_rail_that_only_reports_lets_pass_and_nothing_of_the_question_is_kept(tmp_path, name, stage):
    rails = run(tmp_path, name)
    verdicts = rails.check_input(TEXT) if stage == "input" else rails.scan_document(TEXT)
    assert [(v.action, v.reason) for v in verdicts if v.rail == name] == [("flag", UNAVAILABLE)]
    if stage == "input":
        assert TEXT not in rails.redact_input(TEXT)


def test_failing_open_is_a_choice_somebody_makes():
    opened = RailSettings(policy={"indirect_injection": RailPolicy(fail="open")})
    assert effective(RailSettings(), "indirect_injection", "retrieval", None).fail == "closed"
    assert effective(opened, "indirect_injection", "retrieval", None).fail == "open"
