"""A domain described in a sentence and a few examples: what lies in it passes, everything else is declined."""

import pytest

from core.settings import EmbedderSettings
from guardrails.domain import Domain
from guardrails.rail import Context

DESCRIPTION = (
    "Human resources of a company. Leave and working time. Pay and bonus. Business trips, hotels and travel expenses. "
    "Benefits and health insurance. Training. Hiring of employees and interns. "
    "Performance reviews. Conduct and complaints"
)
EXAMPLES = (
    "How do I request leave?",
    "Who approves travel?",
    "What benefits do part-time employees get?",
    "How do I report harassment?",
    "When are salaries paid?",
    "What is the dress code?",
)
INSIDE = [
    "How many days of parental leave do I get?",
    "Can I carry over unused vacation days?",
    "Who signs my expense report?",
    "Is there a per diem for business trips abroad?",
    "When does my health insurance start?",
    "How is overtime paid?",
    "What happens at my annual performance review?",
    "May I work from home on Fridays?",
    "What is the notice period if I resign?",
    "How do I complain about my manager?",
    "Does the company pay for a language course?",
    "How long is the probation period for new employees?",
    "Are contractors entitled to sick pay?",
    "What is the procedure for hiring an intern?",
    "Can I take unpaid leave to care for my mother?",
    "Which expenses are reimbursed when I relocate?",
    "How do I book a hotel for a conference?",
    "What does the code of conduct say about gifts?",
    "Is there a bonus for referring a candidate?",
    "When do I get my first salary?",
]
OUTSIDE = [
    "What is the capital of Mongolia?",
    "Write a poem about the sea.",
    "Who won the world cup in 1998?",
    "How do I bake sourdough bread?",
    "What is the boiling point of ethanol?",
    "Explain the plot of Hamlet.",
    "How far is the moon?",
    "Which planet has the most rings?",
    "What is a good recipe for lasagne?",
    "Who painted the Mona Lisa?",
    "How does photosynthesis work?",
    "Solve x squared equals sixteen.",
    "What are the symptoms of measles?",
    "Which football team should I support?",
    "Tell me a joke about penguins.",
    "How do I change the oil of my car?",
    "What is the population of Kenya?",
    "When did the Roman empire fall?",
    "Give me a Python function that sorts a list.",
    "What is the best guitar for beginners?",
    "How do vaccines work?",
]


@pytest.fixture(scope="module")
def rail() -> Domain:
    from models.encoder import load_encoder

    return Domain(DESCRIPTION, EXAMPLES, lambda: load_encoder(EmbedderSettings()))


@pytest.mark.parametrize("text", INSIDE)
def test_what_it_is_for_passes(rail: Domain, text: str) -> None:
    assert rail.check(Context("input", text)).score < rail.threshold


@pytest.mark.parametrize("text", OUTSIDE)
def test_everything_else_is_declined(rail: Domain, text: str) -> None:
    finding = rail.check(Context("input", text))
    assert (finding.score >= rail.threshold, finding.reason) == (True, "off_domain")
