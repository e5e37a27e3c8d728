import pytest

from generation.ranges import fits, holds_number, restated


@pytest.mark.parametrize(
    ("question", "text", "held"),
    [
        ("What is closed at danger level 4?", "Level: 4; Closed: slopes 6 to 9", True),
        ("What is closed at danger level 4?", "Level: 1 and 2; Closed: nothing", False),
        ("When is lunch for Year 4?", "Time: 12:20; What: lunch, Years 3 to 6", True),
        ("When is lunch for Year 4?", "Time: 12:00; What: lunch, Reception to Year 2", False),
        ("When is lunch for Year 4?", "Lunch is at noon.", None),
        ("What is a meal in Year 5?", "From Year 3 a meal costs £2.65.", True),
        ("What is a meal in Year 5?", "Meals are free in Reception, Year 1 and Year 2.", False),
        ("Wann hat Klasse 4 Sport?", "Klassen 3 bis 5: montags", True),
        ("Who teaches grade 7?", "Grades 5 or above: Ms Bell", True),
        ("Where is lamp number 2?", "The lamp number 1 stands in room 1.", False),
        ("What is allowed within 14 days?", "A refund within 3 days", None),
        ("What changes at level 2?", "Level 2.5 of the software", None),
        ("What changed in year 2?", "Year 2026 was good.", None),
    ],
)
def test_a_numbered_thing_is_told_from_others_of_its_kind(question: str, text: str, held: bool | None) -> None:
    assert holds_number(question, text) is held


@pytest.mark.parametrize(
    ("question", "tier", "held"),
    [
        ("What is the phone number after 10 years?", "Call the phone numbness line. 15+ years: 5 weeks", False),
        ("How often may 3 users log in?", "Up to 5 users", True),
        ("What do 500 users pay?", "Up to 1,000 users", True),
        ("What do 500 users pay?", "Up to 1.000 users", True),
        ("What do 1,500 users pay?", "Up to 1.000 users", False),
        ("What do 2 users pay?", "1,5 to 3 users", True),
        ("What is the phone number?", "One numb thing", None),
        ("How often may I come?", "Between 3 and 15 mays", None),
    ],
)
def test_an_amount_is_a_whole_number_with_its_thousands(question: str, tier: str, held: bool | None) -> None:
    assert fits(question, tier) is held


@pytest.mark.parametrize(
    ("question", "tier"),
    [
        ("What does a 9 metre boat pay?", "8 to 10 m"),
        ("What is left after 3 hrs?", "2 to 4 hours"),
        ("May a 12 yr old come?", "8 to 17 years"),
        ("Was kosten 3 Tage?", "2 to 4 days"),
        ("A dog of 20 kilos", "10 to 25 kg"),
    ],
)
def test_a_unit_may_be_spelt_otherwise(question: str, tier: str) -> None:
    assert fits(question, tier)


TIERS = ("up to 6 m", "6 to 8 m", "8 to 10 m", "over 12 m")


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("What does a 9 metre boat pay on pontoon A?", "What does a 8 to 10 m boat pay on pontoon A?"),
        ("And for 7 m or 13 m?", "And for 6 to 8 m or over 12 m?"),
        ("And for boats longer than 13 m?", "And for boats longer than over 12 m?"),
        ("And for 6 m?", "And for 6 m?"),  # two tiers hold it
        ("And for 11 m?", "And for 11 m?"),  # none does
        ("And for 9 tons?", "And for 9 tons?"),
        ("And from 7 to 9 m?", "And from 7 to 9 m?"),
    ],
)
def test_an_amount_is_told_as_its_tier(question: str, asked: str) -> None:
    assert restated(question, TIERS) == asked
