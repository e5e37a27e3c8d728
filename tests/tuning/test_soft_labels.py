import random

import pytest

from tuning.soft_labels import mean_of, softened
from tuning.written_claims import claims_of


def test_the_mean_is_of_probabilities_not_of_logits() -> None:
    assert mean_of([[0.0, 30.0], [30.0, 30.0]]) == pytest.approx([0.75, 1.0])


def test_where_the_teachers_disagree_with_a_row_its_spans_are_unknown() -> None:
    right = {"answerable": 1, "spans": [[0, 3]], "support": [[0, 9]]}
    none = {"answerable": 0, "spans": None, "support": None}
    rows = list(softened([right, right, none, none], [0.9, 0.1, 0.1, 0.9]))
    assert [row["soft"] for row in rows] == [0.9, 0.1, 0.1, 0.9]
    assert [row["spans"] for row in rows] == [[[0, 3]], None, [], None]
    assert [row["weight"] for row in rows] == [2.0, 1.0, 1.0, 1.0]


def test_claims_follow_what_the_teachers_said_of_written_questions() -> None:
    text = "The mill was designed by Marshall in 1804, and the Aire drove its wheels until Watt brought an engine."
    found = {"question": "Who designed the mill?", "context": text, "group": "g", "spans": [[25, 33]], "soft": 0.95}
    elsewhere = {**found, "context": "Gott built another one upstream.", "spans": [], "soft": 0.01}
    doubtful = {**found, "question": "Who drove the wheels?", "soft": 0.5}
    claims = list(claims_of([found, elsewhere, doubtful], random.Random(1)))
    first = next(claim for claim in claims if claim["b"] == text)
    assert (first["a"], first["label"]) == ("Marshall designed the mill.", 1)
    assert [claim["label"] for claim in claims if claim["b"] != text] == [0]
    assert not any("wheels" in str(claim["a"]) for claim in claims)
