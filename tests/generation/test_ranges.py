import pytest

from generation.ranges import holds_number


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
