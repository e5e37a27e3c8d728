"""A stream with a heartbeat: items in order, beats in the silence, the error where it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ui.heartbeat import with_heartbeat


def test_items_come_in_order_and_silence_is_heard() -> None:
    heard = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        assert heard.wait(60), "no two beats came after the first item"
        yield 2

    came: list[int | None] = []
    for item in with_heartbeat(slow(), 0.05):
        came.append(item)
        if came[-3:] == [1, None, None]:
            heard.set()
    assert [item for item in came if item is not None] == [1, 2]


def test_an_error_is_raised_after_what_came_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    stream = with_heartbeat(broken(), 60.0)
    assert next(stream) == 1
    with pytest.raises(ValueError, match="torn"):
        next(stream)
