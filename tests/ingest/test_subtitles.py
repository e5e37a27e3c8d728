"""Subtitles: what is said is text, what numbers and times it is none."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_number_that_is_said_is_no_cue(read, end: str) -> None:
    lines = [
        *("1", "00:00:05,000 --> 00:00:08,000", "The hall was built in", ""),
        *("2", "00:00:09,000 --> 00:00:10,000", "1984", ""),
        *("3", "00:00:11,000 --> 00:00:12,000", "42", "doors", ""),
    ]
    assert read("a.srt", end.join(lines)).text == "The hall was built in\n1984\n42\ndoors"


def test_the_name_of_a_cue_is_not_said(read) -> None:
    content = "WEBVTT\n\nopening words\n00:01.000 --> 00:02.000\n<v Ana>Welcome.\n\n7\n00:03.000 --> 00:04.000\nBye.\n"
    assert read("a.vtt", content).text == "Ana: Welcome.\nBye."
