"""Words and patterns of the organisation's own."""

import pytest

from core.errors import InvalidInput
from guardrails.rail import Context
from guardrails.words import Words

RAIL = Words(("Project Falcon", "moonshot", "C++", "co-design", "--"), (r"\bAC-\d{4}\b", r"internal\s+only"))
BLOCKED = [
    "Project Falcon",
    "project falcon",
    "PROJECT FALCON starts",
    "about Project Falcon?",
    "the moonshot",
    "MOONSHOT!",
    "moonshot.",
    "(moonshot)",
    "mооnshot",
    "moon\u200bshot",
    "Ｍoonshot",
    "file AC-1234",
    "ac-0001 is open",
    "internal only",
    "Internal  Only",
    "internal\nonly",
    "see AC-9999.",
    "C++ code",
    "is it Project Falcon",
    "moonshot moonshot",
    "a moonshot, again",
    "Project  Falcon",
    "Project\nFalcon",
    "Project\u00a0Falcon",
    "project-falcon",
    "PROJECT_FALCON",
    "Project \u2013 Falcon",
    "Project\u2011Falcon",
    "the co-design team",
    "co design",
    "co\u2010design",
]
ALLOWED = [
    "Project Eagle",
    "falcon",
    "moonshots",
    "moon shot",
    "AC-123",
    "AC-12345",
    "internally",
    "only internal",
    "project",
    "C code",
    "How much leave do I get?",
    "",
    "...",
    "BAC-1234",
    "AC1234",
    "the moon",
    "shot",
    "Project  Hawk",
    "internal use",
    "only",
    "C+ is a grade",
    "ProjectFalcon",
    "Project, Falcon",
    "codesign",
    "a Project Falconer",
]


@pytest.mark.parametrize("text", BLOCKED)
def test_listed_words_fire(text):
    finding = RAIL.check(Context("input", text))
    assert finding.score == 1.0
    assert RAIL.check(Context("output", finding.redacted)).score == 0.0


@pytest.mark.parametrize("text", ALLOWED)
def test_other_words_pass(text):
    assert RAIL.check(Context("input", text)).score == 0.0


def test_a_pattern_that_does_not_compile_is_refused():
    with pytest.raises(InvalidInput, match="blocked_patterns"):
        Words((), ("(",))
