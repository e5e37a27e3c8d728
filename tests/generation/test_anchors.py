import pytest

from generation.anchors import anchored, anchors, figures
from tests.generation.passages import CONTACT, LEAVE, evidence_of


@pytest.mark.parametrize(
    ("question", "names", "years"),
    [
        ("What was Adobe's revenue in FY2022?", {"adob"}, {"2022"}),
        ("How much did revenue of 3M grow from FY21 to fiscal 2022?", {"3m"}, {"2021", "2022"}),
        ("As of FY2023Q1, did guidance change?", set(), {"2023"}),
        ("Which tool reports phishing?", set(), set()),
        ("\n(Which tool did Adobe buy?)", {"adob"}, set()),
    ],
)
def test_names_and_years_pin_a_question_to_a_document(question: str, names: set[str], years: set[str]) -> None:
    assert anchors(question) == (names, years)


def test_evidence_of_another_company_or_year_holds_fewer_anchors() -> None:
    text = "Total revenue was 17,606 million in fiscal 2022."
    evidence = evidence_of(LEAVE, text)
    assert anchored("How much leave carries over?", evidence) is None
    assert anchored("What was total revenue in FY2022?", evidence) == 1.0
    assert anchored("What was total revenue in FY2015?", evidence) == 0.0
    assert anchored("What was total revenue of Walmart in FY2022?", evidence) == 0.5
    assert anchored("What was total revenue of Walmart in FY2022?", ()) is None


def test_a_word_that_the_evidence_writes_small_is_no_name_beside_another():
    evidence = evidence_of(
        "Acme, fiscal 2022: free cash flow 7,396. The acme of its year.", "Bolt, fiscal 2022: sales 12."
    )
    assert anchored("Did Acme improve its Free cash flow in FY2022?", evidence) == 1.0
    assert anchored("Did Walmart improve its Free cash flow in FY2022?", evidence) == 0.5
    assert anchored("What was the Sales of FY2022?", evidence) == 1.0


def test_a_weekday_or_month_is_no_name_and_a_hyphen_loses_none() -> None:
    evidence = evidence_of("Laser training is on Saturday morning.", "X-rays cost £90 at Coca-Cola.")
    assert anchored("Is there training on Fridays in March?", evidence) is None
    assert anchored("How much is an X-ray?", evidence) == 1.0
    assert anchored("Does Coca-Cola do X-rays?", evidence) == 1.0
    assert anchored("Does Pepsi-Cola do X-rays?", evidence) == 0.5


def test_tables_are_figures_and_prose_is_not() -> None:
    assert figures(evidence_of(CONTACT, "The treaty of 1648 ended a war that had begun in 1618.")) == 0.0
    assert figures(evidence_of("Net sales 1,343 1,296 1,077\nGross profit 455 428 389")) == 1.0
    assert (
        figures(evidence_of("Lunch is £2.60 a day. Late pick-up costs £8.50, and 10% less for a second child.")) == 0.0
    )
    assert figures(()) == 0.0
