import json
import random
import re
import zlib
from collections.abc import Iterator

from core.types import Box
from generation.cite import Checked, Composer, DraftClaim, Place, boxes_for, claims_as_written, page_at, parse_draft
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


ATOMS = (
    *("The", "leave", "e.g.", "3.5", "Mr. Smith", "U.S.", "x", " No", "Is it?", "you may", "word " * 140),
    *(" ", "\n", "\n\n", "\t", "\u2028", "- ", "1. ", "* ", "| a | b |", "# Head", "---", "<!-- x -->", "*bold*"),
    *("[1]", " [2]", "[3, 1]", ".", "...", "!", "?", "…", "。", '"', "”", ")"),
)


def test_a_draft_is_cut_at_the_same_pieces_as_if_it_were_cut_anew_after_each() -> None:
    chance = random.Random(2)
    for _ in range(400):
        text = "".join(chance.choice(ATOMS) + chance.choice(("", " ", " ")) for _ in range(chance.randint(1, 25)))
        pieces = _pieces_of(text, chance)
        written: list[int] = []
        told = [
            (len(written), claim) for whole in claims_as_written(_counted(pieces, written), MARKERS) for claim in whole
        ]
        assert told == _cut_anew(pieces)


MARKERS = (1, 2, 3)


def _pieces_of(text: str, chance: random.Random) -> list[str]:
    pieces = []
    while text:
        size = chance.choice((1, 2, 3, 5, 8, 20))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def _counted(pieces: list[str], written: list[int]) -> Iterator[str]:
    for piece in pieces:
        written.append(len(piece))
        yield piece


def _cut_anew(pieces: list[str]) -> list[tuple[int, DraftClaim]]:
    """Return each claim and after how many pieces it was whole, by cutting all that is written after every piece."""
    text, told = "", []
    for number, piece in enumerate(pieces, 1):
        text += piece
        whole = parse_draft(re.sub(r"\s*\[[\d\s,;]*$", "", text), MARKERS)[:-1]
        told += [(number, claim) for claim in whole[len(told) :]]
    return told + [(len(pieces), claim) for claim in parse_draft(text, MARKERS)[len(told) :]]
