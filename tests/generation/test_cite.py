import json
import zlib

from core.types import Box
from generation.cite import Checked, Composer, DraftClaim, Place, boxes_for, page_at, parse_draft
from tests.generation.passages import CONTACT, evidence_of


def claims(text: str, known: tuple[int, ...] = (1, 2, 3)) -> list[tuple[str, tuple[int, ...]]]:
    return [(claim.text, claim.markers) for claim in parse_draft(text, known)]


def test_markers_belong_to_the_sentence_they_end() -> None:
    assert claims("A first fact. [1] A second fact [2][3]. Third fact stands [1, 2].") == [
        ("A first fact.", (1,)),
        ("A second fact.", (2, 3)),
        ("Third fact stands.", (1, 2)),
    ]


def test_unknown_markers_are_dropped_and_never_shown() -> None:
    assert claims("A fact stands here [9].") == [("A fact stands here.", ())]


def test_a_line_end_ends_a_claim() -> None:
    assert claims("first item here [1]\nsecond item here [2]") == [
        ("first item here", (1,)),
        ("second item here", (2,)),
    ]


def test_a_composed_text_has_its_claims_at_their_offsets_and_one_marker_a_place() -> None:
    (item,) = evidence_of(CONTACT)
    composer = Composer()
    for text in ("Use Cofense.", "Really use Cofense."):
        composer.add(Checked(DraftClaim(text, (1,), " "), "supported", 0.9, (Place(item, 0, 37, 0.9),)))
    composer.add(Checked(DraftClaim("Maria leads.", (1,), "\n"), "partial", 0.5, (Place(item, 38, 87, 0.5),)))
    done = composer.result()
    assert done.text == "Use Cofense. [1] Really use Cofense. [1]\nMaria leads. [2]"
    assert all(done.text[claim.start : claim.end] == claim.text for claim in done.claims)
    assert [(c.marker, c.start, c.end) for c in done.citations] == [(1, 100, 137), (2, 138, 187)]
    document = "x" * 100 + CONTACT
    assert all(document[c.start : c.end] == c.quote for c in done.citations)


def test_boxes_are_those_of_the_lines_a_span_touches() -> None:
    layout = zlib.compress(
        json.dumps([[0, 10, 1, 1, 2, 3, 4], [10, 20, 1, 5, 6, 7, 8], [20, 30, 2, 0, 0, 1, 1]]).encode()
    )
    assert boxes_for(layout, 9, 11) == (Box(1, 1, 2, 3, 4), Box(1, 5, 6, 7, 8))
    assert boxes_for(None, 0, 5) == ()


def test_a_page_is_found_by_offset() -> None:
    assert page_at([[1, 0, 50], [2, 50, 90]], 50) == 2
    assert page_at([], 5) is None
