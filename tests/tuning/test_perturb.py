import random

import pytest

from tuning.perturb import change_number, make_false, names_of, negate, numbers_of, oppose, swap_name

PASSAGE = "The tower was finished in 1889 by Gustave Eiffel and stood above Paris; in 1925 Robert Delaunay painted it."


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_number_is_another_number(seed: int) -> None:
    changed = change_number("It was finished in 1889.", random.Random(seed), numbers_of(PASSAGE))
    assert changed is not None
    assert changed != "It was finished in 1889."
    assert changed.startswith("It was finished in ")


def test_a_swapped_name_comes_from_the_passage() -> None:
    others = names_of(PASSAGE)
    assert others == ["Gustave Eiffel", "Paris", "Robert Delaunay"]
    changed = swap_name("It was painted by Robert Delaunay.", random.Random(1), others)
    assert changed in ("It was painted by Gustave Eiffel.", "It was painted by Paris.")


def test_negation_is_added_and_taken_away() -> None:
    assert negate("It was finished.", random.Random(1)) in ("It was not finished.", "It was never finished.")
    assert negate("It was never finished.", random.Random(1)) == "It was finished."


def test_opposites_keep_their_case() -> None:
    assert oppose("First of all.", random.Random(1)) == "Last of all."


@pytest.mark.parametrize("seed", range(10))
def test_what_is_made_false_differs_and_what_offers_nothing_stays_away(seed: int) -> None:
    text = "The tower was finished in 1889 by Gustave Eiffel."
    assert make_false(text, random.Random(seed), PASSAGE) not in (None, text)
    assert make_false("hello there", random.Random(seed), PASSAGE) is None
