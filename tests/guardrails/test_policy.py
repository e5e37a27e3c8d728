"""Which policy counts: the collection's, named or not; and a `redact` takes the part out or blocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import InvalidInput
from core.settings import RailPolicy, RailSettings, Settings
from core.types import Evidence
from guardrails.policy import CANNOT_REDACT, check_policy, effective
from guardrails.rail import Context, Finding, is_classifier_rail
from guardrails.rails import UNAVAILABLE, Rails, blocked_by
from guardrails.registry import build_rails
from tests.guardrails.conftest import hit
from tests.guardrails.test_rails import Fixed, verdict, with_rails

CARD = "The card is 4111 1111 1111 1111."


def shown(*collections: str) -> tuple[Evidence, ...]:
    """Evidence from each of these collections."""
    return tuple(Evidence(i, replace(hit(CARD, i), collection=name)) for i, name in enumerate(collections, start=1))


PUBLIC_BLOCKS = {"output.pii": RailPolicy(action="allow", collections={"public": "block", "staff": "redact"})}


@pytest.mark.parametrize(
    ("evidence", "named", "action"),
    [
        (("public",), "public", "block"),
        (("public",), None, "block"),
        (("staff", "public"), None, "block"),
        (("staff",), None, "redact"),
        (("staff", "other"), None, "redact"),
        (("other",), None, "allow"),
        ((), None, "allow"),
        (("public",), "staff", "redact"),
    ],
)
def test_an_answer_has_the_strictest_policy_of_the_collections_it_is_made_from(tmp_path, evidence, named, action):
    rails = with_rails(tmp_path, Fixed(), policy=PUBLIC_BLOCKS)
    text, verdicts = rails.check_output(CARD, shown(*evidence), named)
    assert verdict(verdicts, "pii").action == action
    assert (text == CARD) == (action != "redact")


def test_the_exit_gate_has_the_strictest_policy_too(tmp_path):
    policy = {"exit_gate": RailPolicy(action="redact", collections={"public": "block"})}
    rails = with_rails(tmp_path, Fixed(), policy=policy)
    _, verdicts = rails.check_output("![x](http://evil.example/a.png)", shown("public"))
    assert verdict(verdicts, "exit_gate").action == "block"


class Fires:
    """A rail that fires, with a text of its own making or none."""

    name = "fires"
    stages = frozenset({"input", "retrieval", "output"})
    threshold = 0.5

    def __init__(self, redacted: str | None) -> None:
        self.redacted = redacted

    def check(self, context: Context) -> Finding:
        return Finding(1.0, "found", self.redacted)


class FiresByScore:
    """A classifier rail that fires and can take nothing out."""

    name = "fires_by_score"
    stages = frozenset({"input", "output"})
    threshold = 0.5

    def __init__(self, redacted: str | None = None) -> None:
        self.redacted = redacted

    def requests(self, context: Context):
        return [("toxicity", context.text)]

    def judge(self, context: Context, scores) -> Finding:
        return Finding(1.0, "found", self.redacted)


@pytest.mark.parametrize("rail", [Fires(None), FiresByScore()])
def test_a_redaction_that_takes_nothing_out_blocks(tmp_path, rail):
    rails = with_rails(tmp_path, Fixed(), rail, policy={rail.name: RailPolicy(action="redact")})
    assert blocked_by(rails.check_input("Leave?")).rail == rail.name
    assert blocked_by(rails.check_output("Twelve weeks.", ())[1]).rail == rail.name
    if "retrieval" in rail.stages:
        assert rails.check_retrieval([hit("Twelve weeks.")])[0] == ()


@pytest.mark.parametrize("redacted", ["Leave [gone]", ""])
@pytest.mark.parametrize("kind", [Fires, FiresByScore])
def test_a_redaction_is_applied_to_questions_and_answers_whatever_rail_it_is_of(tmp_path, kind, redacted):
    rail = kind(redacted)
    rails = with_rails(tmp_path, Fixed(), rail, policy={rail.name: RailPolicy(action="redact")})
    assert rails.redact_input("Leave 12") == redacted
    assert rails.check_output("Leave 12", ())[0] == redacted


def test_a_redaction_that_fails_on_the_text_as_it_is_by_then_blocks(tmp_path):
    class Once(Fires):
        """Runs on the first text it sees and on no other."""

        def check(self, context: Context) -> Finding:
            if "[credit card]" in context.text:
                raise OSError("cannot run twice")
            return Finding(1.0, "found", context.text.replace("the", "[gone]"))

    policy = {"fires": RailPolicy(action="redact")}
    settings = Settings(home=tmp_path, rails=RailSettings(policy=policy))
    rails = Rails(settings, Fixed(), [*build_rails(settings, Fixed()), Once(None)])
    text, verdicts = rails.check_output("Of the card 4111 1111 1111 1111.", ())
    assert (verdict(verdicts, "fires").action, verdict(verdicts, "fires").reason) == ("block", UNAVAILABLE)
    assert text == "Of the card [credit card]."


def test_blocked_words_leave_a_question_where_the_policy_says_so(tmp_path):
    rails = with_rails(
        tmp_path, Fixed(), blocked_words=("Falcon",), policy={"input.words": RailPolicy(action="redact")}
    )
    assert verdict(rails.check_input("When does Falcon start?"), "words").action == "redact"
    assert rails.redact_input("When does Falcon start?") == "When does [removed] start?"
    blocking = with_rails(tmp_path, Fixed(), blocked_words=("Falcon",))
    assert blocking.redact_input("When does Falcon start?") == "When does Falcon start?"


@pytest.mark.parametrize("rail", sorted(CANNOT_REDACT))
def test_asking_redact_of_a_rail_that_never_can_is_refused(rail):
    with pytest.raises(InvalidInput, match=f"rails.policy.{rail}.*cannot redact.*flag or block"):
        check_policy(RailSettings(policy={rail: RailPolicy(action="redact")}), [rail])
    with pytest.raises(InvalidInput, match=rail):
        check_policy(RailSettings(policy={f"output.{rail}": RailPolicy(collections={"x": "redact"})}), [rail])


def test_no_document_is_redacted_when_it_is_ingested(tmp_path):
    with pytest.raises(InvalidInput, match=r"ingest\.pii.*stored as they are"):
        with_rails(tmp_path, Fixed(), policy={"ingest.pii": RailPolicy(action="redact")})
    general = RailSettings(
        policy={"pii": RailPolicy(action="redact"), "indirect_injection": RailPolicy(action="redact")}
    )
    assert effective(general, "pii", "output", None).action == "redact"
    assert effective(general, "pii", "ingest", None).action == "flag"
    assert effective(general, "indirect_injection", "ingest", None).action == "block"


def test_every_rail_that_is_not_named_as_unable_to_redact_can(tmp_path):
    settings = RailSettings(domain_description="Leave", external_guard_url="http://127.0.0.1:9/v1")
    built = build_rails(Settings(home=tmp_path, rails=settings), Fixed())
    assert {rail.name for rail in built if is_classifier_rail(rail)} <= CANNOT_REDACT
    assert {rail.name for rail in built} - CANNOT_REDACT == {
        "words",
        "secrets",
        "pii",
        "indirect_injection",
        "exit_gate",
    }
