"""Footnotes come off the text that a client sends back, and an export shows what an answer may show."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.conversations import as_markdown
from app.footnotes import footnotes, without_footnotes
from core.types import Citation


def cited(marker: int = 1, **changes: Any) -> Citation:
    values: dict[str, Any] = {"title": "Leave", "source": "leave.md", "page": 3, "quote": "Said “so”\n\nthere."}
    fixed: dict[str, Any] = {"document_id": "d", "version": 1, "chunk_id": 1, "start": 0, "end": 9, "boxes": ()}
    return Citation(marker=marker, score=1.0, verdict="supported", **{**fixed, **values, **changes})


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("title", ["Leave", "Two\n\nlines"])
def test_footnotes_come_off_again(title: str, end: str) -> None:
    text = "It is 8 hours. [1]\n\nMore. [2]"
    assert without_footnotes(text + footnotes([cited(title=title), cited(2)]) + end) == text


@pytest.mark.parametrize(
    "text",
    [
        "It is so.",
        "It is so.\n\n",
        "It is so.\n\n[1] no quote”",
        "It is so.\n\n[1] “one”\nand more",
        "It is so.\n\n1. “one”",
        "[1] Leave: “one”",
    ],
)
def test_a_text_without_footnotes_stays_whole(text: str) -> None:
    assert without_footnotes(text) == text


def test_a_text_made_to_look_like_footnotes_is_read_at_once() -> None:
    text = "x\n\n" + "[1] “”" * 20_000 + "x"
    began = time.thread_time()
    assert without_footnotes(text) == text
    assert time.thread_time() - began < 0.5


def test_an_export_loads_and_follows_nothing_but_what_is_cited() -> None:
    citation = {
        "marker": 1,
        "title": "![a](http://evil.example/p.png)\n\n# Title",
        "source": "<img src=x onerror=alert(1)>.md",
        "quote": "one\n<script>alert(1)</script>\n\n[here](javascript:alert(1))",
    }
    turn = {
        "question": "What of <b onclick=x>this</b>\n# and ![b](http://evil.example/q.png)?",
        "answer": {"text": "That. [1]", "citations": [citation]},
    }
    told = as_markdown({"title": "![t](http://evil.example/t.png)\nmore <script>x</script>", "turns": [turn]})
    for active in ("![", "](", "<img", "<script", "<b ", "evil.example", "javascript:alert"):
        assert active not in told, active
    assert [line for line in told.splitlines() if line.startswith("#")] == [told.splitlines()[0]]
    assert told.count("\n- [1] ") == 1
