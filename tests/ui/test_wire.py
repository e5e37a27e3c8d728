"""The pages read what the API writes: events, answers, runs, page images."""

from __future__ import annotations

import struct

import pytest

from core.types import Answer, Box, Citation, Claim, NearestPassage, Verdict
from ui.page_image import page_html, png_size
from ui.sse import ServerEvent, parse_events
from ui.wire import answer_from, run_from

ANSWER = Answer(
    id="a1",
    outcome="answered",
    text="Yes. [1]",
    reason=None,
    claims=(Claim("Yes. [1]", 0, 8, (1,), "supported", 0.9),),
    citations=(Citation(1, "d", 2, "T", "s.pdf", 3, 0, 4, "Yes.", 0.8, boxes=(Box(3, 1.0, 2.0, 3.0, 4.0),)),),
    rails=(Verdict("pii", "output", "redact", 0.7, 0.5, "an address"),),
    model="m",
    generator="quote",
    index_seq=7,
    timings_ms={"total": 12.5},
    nearest=(NearestPassage("d", "T", "s", None, "near", 0.2),),
)


def test_an_answer_survives_the_wire() -> None:
    assert answer_from(ANSWER.to_json()) == ANSWER


def test_fields_of_a_newer_api_are_ignored() -> None:
    newer = ANSWER.to_json() | {"unheard_of": 1}
    newer["claims"][0]["unheard_of"] = 1
    assert answer_from(newer) == ANSWER


def test_events_are_read_whatever_else_is_in_the_stream() -> None:
    lines = [
        ": keep-alive",
        "",
        "id: 1",
        "event: stage",
        'data: {"stage": "retrieve",',
        'data:  "ms": 4}',
        "",
        "event: answer",
        'data: {"id": "a"}',
    ]
    assert list(parse_events(lines)) == [
        ServerEvent("stage", {"stage": "retrieve", "ms": 4}),
        ServerEvent("answer", {"id": "a"}),
    ]


@pytest.mark.parametrize("data", ["nonsense", "[1]"])
def test_an_event_that_is_no_object_is_an_error(data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(parse_events([f"data: {data}", ""]))


@pytest.mark.parametrize(
    "shape", [{}, {"report": {"seen": 2, "failed": [{"source": "a", "error": "Encrypted", "message": "m"}]}}]
)
def test_a_run_is_read_flat_or_with_its_report_inside(shape: dict) -> None:
    flat = {"seen": 2, "failed": [{"source": "a", "error": "Encrypted", "message": "m"}]}
    run = run_from({"run_id": "r", "state": "done", **(shape or flat)})
    assert (run.seen, run.failed[0].kind, run.failed[0].message, run.finished) == (2, "Encrypted", "m", True)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height) + bytes(8)


def test_boxes_lie_where_they_are_on_the_page() -> None:
    # A letter page of 612 × 792 points drawn at 144 dots an inch.
    html = page_html(png(1224, 1584), [Box(1, 306.0, 396.0, 459.0, 594.0)], "Page 1 of <T>", dots_per_inch=144)
    assert "left:50.000%;top:50.000%;width:25.000%;height:25.000%" in html
    assert "&lt;T&gt;" in html


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(40), png(0, 10)])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="image"):
        png_size(data)
