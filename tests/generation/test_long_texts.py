"""Texts made to be slow to read are read at once: what one request holds, no other waits for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from core.blocks import blocks_of
from core.numbers import measured, numbers
from core.sentences import split_units
from core.types import OPERATOR, Message, Question
from core.words import words
from generation.anchors import figures
from generation.cite import claims_as_written, parse_draft
from generation.lent import asked_and_lent
from generation.pinned import pinned_by
from generation.ranges import fits, holds_number
from generation.rewrite import heard, own_words, rewrite
from generation.tables import cells, label_of
from tests.generation.passages import evidence_of

LONG = 20_000


def filled(unit: str) -> str:
    return unit * (LONG // len(unit))


def follow_up(before: str) -> None:
    history = (Message("user", before), Message("assistant", before))
    for text in ("And it?", f"And {before[:3990]}"):
        query = rewrite(Question(text, OPERATOR, history=history)).text
        own_words(query, history), heard(query, history), asked_and_lent(query, text, history)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (follow_up, f"or{filled(' ')}0?0"),
        (follow_up, f"or{filled(',')}?0"),
        (follow_up, filled("A ") * 20),
        (follow_up, filled("And Sundays? ") * 20),
        (blocks_of, f"{filled(' ')}x"),
        (blocks_of, f"|{filled('-')}x"),
        (blocks_of, f"<!--{filled('-->')}x"),
        (split_units, f"{filled('.')}x"),
        (split_units, f"{filled('e.g. ')}x"),
        (split_units, filled("One is so. ")),
        (split_units, filled("(e.g. ")),
        (words, f"{filled('a.')}!"),
        (numbers, filled("1")),
        (numbers, filled("1,")),
        (numbers, filled("1.1 ")),
        (numbers, f"{filled('100 ')}1"),
        (measured, f"1{filled(' ')}1x1"),
        (measured, filled("1 ")),
        (lambda text: cells(f"a{text}b | c"), filled(" ")),
        (lambda text: label_of(f"a | 1{text}ab x"), filled(" ")),
        (lambda text: fits("10 years", text), filled("1")),
        (lambda text: fits("10 years", text), filled("one")),
        (lambda text: fits("10 years", text), f"1{filled(' ')}"),
        (lambda text: holds_number("year 1", text), filled("year 1, ")),
        (lambda text: parse_draft(text, [1]), f"{filled(' ')}x"),
        (lambda text: parse_draft(text, [1]), f"[1{filled(' ')}x"),
        (lambda text: list(claims_as_written([text, "."], [1])), f"{filled(' ')}x"),
        (lambda text: figures(evidence_of(text)), filled("1")),
        (lambda text: pinned_by("What is new in Nova 1.2.3?", evidence_of(text)), f"Nova {filled('1.')}x"),
        (lambda text: pinned_by(text, evidence_of("A B")), "A" * 4000),
    ],
)
def test_a_text_made_to_be_slow_is_read_at_once(read: Callable[[str], object], text: str) -> None:
    read("warm")
    began = time.thread_time()
    read(text)
    assert time.thread_time() - began < 1.0
