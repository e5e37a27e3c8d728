"""The pages read what the API writes: events, answers, runs, page images."""

from __future__ import annotations

import pytest

from core.types import Answer, Box, Citation, Claim, NearestPassage, Style, Verdict
from ui.client import Ask
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
        ServerEvent("stage", {"stage": "retrieve", "ms": 4}, "1"),
        ServerEvent("answer", {"id": "a"}, "1"),
    ]


@pytest.mark.parametrize("data", ["nonsense", "[1]"])
def test_an_event_that_is_no_object_is_an_error(data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(parse_events([f"data: {data}", ""]))


def test_a_run_is_read_with_its_failures() -> None:
    failed = [{"source": "a", "error": "Encrypted", "kind": "permanent", "message": "needs a password"}]
    held = [{"source": "b", "reason": "holds instructions"}]
    run = run_from({"run_id": "r", "state": "done", "seen": 2, "failed": failed, "quarantined": held})
    assert (run.seen, run.failed[0].kind, run.failed[0].message, run.finished) == (
        2,
        "Encrypted",
        "needs a password",
        True,
    )
    assert run.quarantined[0].message == "holds instructions"


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        ({}, 0.0),
        ({"total": 4}, 0.0),
        ({"total": 4, "parsed": 2}, 1 / 6),
        ({"total": 4, "parsed": 4, "committed": 2}, 2 / 3),
        ({"total": 4, "parsed": 3, "committed": 3, "failed_so_far": 1}, 1.0),
    ],
)
def test_progress_only_grows(counts: dict, share: float) -> None:
    assert run_from({"run_id": "r", "state": "running", **counts}).share == pytest.approx(share)
    assert run_from({"run_id": "r", "state": "done", **counts}).share == 1.0


def test_a_variant_sends_only_what_differs_from_the_settings() -> None:
    assert Ask("Which?").to_json() == {"question": "Which?", "generator": "auto"}
    assert Ask("Which?", style=Style(prompt="brief", shots=0)).to_json()["style"] == {"prompt": "brief", "shots": 0}
