import random

from tuning.completions import Begun, begin, finished
from tuning.unlabelled_pairs import changed, found, nearby

OWN = "The mill on the river Aire was built in 1804 by John Marshall. It burnt down in 1811 and was built anew."
OTHER = "Another mill on the same river was built by Benjamin Gott, who had begun as a merchant of cloth in Leeds."
ROW = {"question": "Who built the mill in 1804?", "context": OWN, "group": "mills"}


class FixedSearch:
    def find(self, questions: list[str], k: int) -> list[list[int]]:
        return [[0, 1] for _ in questions]


def test_found_passages_leave_out_the_questions_own() -> None:
    passages = [{"text": OWN}, {"text": OTHER}]
    pairs = list(found([ROW], passages, FixedSearch(), 2))  # type: ignore[arg-type]
    assert [(pair["question"], pair["context"]) for pair in pairs] == [(ROW["question"], OTHER)]
    assert pairs[0]["spans"] is None


def test_pairs_are_made_of_changed_questions_and_of_passages_of_the_article() -> None:
    rows = [ROW, {**ROW, "question": "Who had begun as a merchant of cloth?", "context": OTHER}] * 8
    made = [*changed(rows, random.Random(1)), *nearby(rows, random.Random(1))]
    assert {pair["context"] for pair in made} == {OWN, OTHER}
    known = {(row["question"], row["context"]) for row in rows}
    assert not {(pair["question"], pair["context"]) for pair in made} & known


def test_a_completion_is_false_only_where_the_passage_does_not_hold_it() -> None:
    begun = Begun(OWN, "mills", "", "It burnt down in 1811")
    made = finished(begun, " after lightning struck the roof of the warehouse. Then more")
    assert made is not None
    assert made["a"] == "It burnt down in 1811 after lightning struck the roof of the warehouse."
    assert (made["label"], made["train_only"]) == (0, True)
    assert finished(begun, " and was built anew.") is None
    assert finished(begun, " and never ends") is None


def test_only_whole_sentences_after_the_first_are_begun() -> None:
    text = OWN + " The new mill had four floors and a chimney of brick that was seen from every hill of the town."
    begun = list(begin([{"text": text, "group": "mills"}], random.Random(2)))
    assert {one.shown for one in begun} == {"The mill on the river Aire was built in 1804 by John Marshall."}
    assert all(text.find(one.start) > 0 for one in begun)
