from collections.abc import Iterator

import pytest

from app.events import Event
from app.streams import Stream, Streams
from core.errors import NotFound


def nothing(_stream: Stream) -> Iterator[Event]:
    return iter(())


def test_a_stream_of_another_process_is_named_as_such() -> None:
    here, there = Streams(), Streams()
    stream = here.start("user:ana", nothing)
    assert here.find(stream.id, "user:ana") is stream
    with pytest.raises(NotFound, match="another one, or before a restart"):
        there.find(stream.id, "user:ana")
    with pytest.raises(NotFound, match="no stream"):
        here.find(stream.id, "user:ben")
