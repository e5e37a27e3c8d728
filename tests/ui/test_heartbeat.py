"""A stream with a heartbeat: items in order, beats in the silence, the error where it was."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ui.heartbeat import with_heartbeat


def test_items_come_in_order_and_silence_is_heard() -> None:
    def slow() -> Iterator[int]:
        yield 1
        time.sleep(0.3)
        yield 2

    came = list(with_heartbeat(slow(), 0.05))
    assert [item for item in came if item is not None] == [1, 2]
    assert came.count(None) >= 2
    assert came.index(1) < came.index(None) < came.index(2)


def test_an_error_is_raised_after_what_came_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    stream = with_heartbeat(broken(), 1.0)
    assert next(stream) == 1
    with pytest.raises(ValueError, match="torn"):
        next(stream)
