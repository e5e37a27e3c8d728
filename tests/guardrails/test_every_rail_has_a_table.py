"""Every rail that can be built is tested on texts of its own: at least twenty it lets pass, twenty it stops."""

import pytest

from tests.guardrails import (
    test_classifier_rails,
    test_domain,
    test_exit_gate,
    test_external_guard,
    test_groundedness,
    test_pii,
    test_secrets,
    test_words,
)
from tests.guardrails.test_fails_closed import pairs

TABLES = {
    "words": (test_words.ALLOWED, test_words.BLOCKED),
    "secrets": (test_secrets.PASSED, test_secrets.FOUND),
    "pii": (test_pii.PASSED, test_pii.REDACTED),
    "toxicity": (test_classifier_rails.ORDINARY, test_classifier_rails.BLOCKED["toxicity"]),
    "prompt_injection": (test_classifier_rails.ORDINARY, test_classifier_rails.BLOCKED["prompt_injection"]),
    "harmful_requests": (test_classifier_rails.ORDINARY, test_classifier_rails.BLOCKED["harmful_requests"]),
    "indirect_injection": (test_classifier_rails.CLEAN, test_classifier_rails.ORDERS),
    "groundedness": (test_groundedness.SUPPORTED, test_groundedness.UNSUPPORTED),
    "domain": (test_domain.INSIDE, test_domain.OUTSIDE),
    "external_guard": (test_external_guard.SAFE, test_external_guard.UNSAFE),
    "exit_gate": (test_exit_gate.HARMLESS, test_exit_gate.ACTIVE),
}


def test_every_rail_has_a_table():
    assert set(TABLES) == {rail for rail, _stage in pairs()}


@pytest.mark.parametrize("rail", TABLES)
def test_a_table_has_twenty_texts_of_either_kind(rail):
    allowed, blocked = map(set, TABLES[rail])
    assert len(allowed) >= 20
    assert len(blocked) >= 20
    assert not allowed & blocked
