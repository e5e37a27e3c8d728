"""Groundedness as a rail: what the evidence says passes, what it does not say fires."""

import pytest

from guardrails.groundedness import Groundedness
from guardrails.rail import Context
from tests.guardrails.conftest import evidence

LEAVE = (
    "Full-time staff receive twelve weeks of paid parental leave. Requests go to the manager at least thirty days "
    "before the leave begins. Unused annual leave expires on 31 March of the following year."
)
TRAVEL = (
    "Hotels are booked through the travel portal. The daily allowance for meals is 45 euros. Receipts are needed for "
    "any expense above 20 euros. The finance team pays claims within ten working days."
)
SYSTEM = (
    "The backup server is in Hamburg and is copied every night at two o'clock. Access is granted by the security team "
    "after a short training. Passwords are changed every ninety days."
)
SUPPORTED = [
    (LEAVE, "Full-time staff receive twelve weeks of paid parental leave."),
    (LEAVE, "Full-time employees get twelve weeks of paid parental leave. [1]"),
    (LEAVE, "Requests go to the manager at least thirty days before the leave begins."),
    (LEAVE, "Requests for leave go to the manager."),
    (LEAVE, "Unused annual leave expires on 31 March of the following year."),
    (LEAVE, "Unused annual leave expires on 31 March."),
    (LEAVE, "The parental leave of full-time staff is paid."),
    (TRAVEL, "Hotels are booked through the travel portal."),
    (TRAVEL, "Book hotels through the travel portal. [1]"),
    (TRAVEL, "The daily allowance for meals is 45 euros."),
    (TRAVEL, "Receipts are needed for any expense above 20 euros."),
    (TRAVEL, "You need receipts for expenses above 20 euros."),
    (TRAVEL, "The finance team pays claims within ten working days."),
    (TRAVEL, "Claims are paid by the finance team within ten working days."),
    (SYSTEM, "The backup server is in Hamburg."),
    (SYSTEM, "The backup server is copied every night at two o'clock."),
    (SYSTEM, "Access is granted by the security team after a short training."),
    (SYSTEM, "The security team grants access after a short training."),
    (SYSTEM, "Passwords are changed every ninety days."),
    (SYSTEM, "The backup server in Hamburg is copied every night."),
]
UNSUPPORTED = [
    (LEAVE, "The canteen serves vegetarian meals on Mondays."),
    (LEAVE, "Parental leave is not paid at all."),
    (LEAVE, "Contractors receive a company car after one year."),
    (LEAVE, "Requests go to the board of directors in Paris."),
    (LEAVE, "Annual leave never expires and is paid out in cash."),
    (LEAVE, "The company was founded by two brothers in 1921."),
    (LEAVE, "Staff who resign lose their pension rights."),
    (TRAVEL, "Flights must be booked in first class."),
    (TRAVEL, "The allowance for meals was abolished last year."),
    (TRAVEL, "Employees may bring their families on every trip."),
    (TRAVEL, "The chief executive approves every hotel in person."),
    (TRAVEL, "Receipts are never needed."),
    (TRAVEL, "Taxi rides are forbidden for security reasons."),
    (TRAVEL, "The travel portal was hacked in May."),
    (SYSTEM, "The backup server stands in Tokyo and is never copied."),
    (SYSTEM, "Everybody may enter the server room without any training."),
    (SYSTEM, "Passwords are printed and kept at the front desk."),
    (SYSTEM, "The security team has forty members."),
    (SYSTEM, "Backups are deleted after one week by law."),
    (SYSTEM, "The servers run on solar power from the roof."),
]


@pytest.fixture(scope="module")
def rail(classifier) -> Groundedness:
    return Groundedness(classifier)


def score(rail: Groundedness, classifier, passage: str, text: str) -> float:
    context = Context("output", text, None, evidence(passage))
    return rail.judge(context, [float(s) for s in classifier.score_many(list(rail.requests(context)))]).score


@pytest.mark.parametrize(("passage", "text"), SUPPORTED)
def test_what_the_evidence_says_passes(rail, classifier, passage, text):
    assert score(rail, classifier, passage, text) < rail.threshold


@pytest.mark.parametrize(("passage", "text"), UNSUPPORTED)
def test_what_it_does_not_say_fires(rail, classifier, passage, text):
    assert score(rail, classifier, passage, text) >= rail.threshold
