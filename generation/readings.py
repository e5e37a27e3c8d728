"""What the readers see in each passage of the evidence; one pass a question, shared by refusing and quoting."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from core.settings import Settings
from core.types import Evidence, Message
from generation.ranges import gives_an_amount, restated
from generation.rewrite import heard
from generation.tables import tiers_of

if TYPE_CHECKING:
    from models.pointer import SecondReading
    from models.reader import Reading

KEPT = 512
"""Readings kept: one question asks for the same ones two or three times within a second."""
READ_AT_MOST = 5
"""Passages read a question: 30 to 50 ms each on one free core; what ranks lower seldom answers."""
READ_AGAIN = 3
"""Passages that the second reader reads of them: what the search found best, then what the reader finds likeliest. Each
is six times the work of a first reading. Of follow-ups to written talks 0.86 have their answer among these, 0.85 among
the three likeliest; a fourth finds 0.87."""

Key: TypeAlias = tuple[str, int, str]
Read = TypeVar("Read")


class _Kept(Generic[Read]):
    """The latest readings of one reader."""

    def __init__(self) -> None:
        self._found: OrderedDict[Key, Read] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, question: str, evidence: Sequence[Evidence], reader: Callable[[str, Sequence[str]], Sequence[Read]]
    ) -> list[Read]:
        """Return one reading an evidence, of the question in its own tiers; only those not kept are read."""
        keys = [(in_tiers(question, item), item.hit.chunk.id, context_of(item)) for item in evidence]
        with self._lock:
            known = {key: self._found[key] for key in keys if key in self._found}
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        if missing:
            asks, _, contexts = zip(*missing, strict=True)
            known |= zip(missing, read_each(asks, contexts, reader), strict=True)
        with self._lock:
            for key in keys:
                self._found[key] = known[key]
                self._found.move_to_end(key)
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return [known[key] for key in keys]


_first: _Kept[Reading] = _Kept()
_second: _Kept[SecondReading] = _Kept()


def read_evidence(question: str, evidence: Sequence[Evidence], settings: Settings) -> list[Reading | None] | None:
    """Return one reading an evidence, `None` for those ranked too low to be read; `None` without a reader."""
    from models.reader import has_reader, load_reader

    if not has_reader() or not evidence:
        return None
    chosen = sorted(range(len(evidence)), key=lambda index: -evidence[index].hit.score)[:READ_AT_MOST]
    read = _first.read(question, [evidence[index] for index in chosen], load_reader(settings.embedder).read)
    found = dict(zip(chosen, read, strict=True))
    return [found.get(index) for index in range(len(evidence))]


def reads_again(settings: Settings) -> bool:
    """Whether a second reader is wanted and installed."""
    from models.reader import has_reader
    from models.second_reader import has_second_reader

    return settings.answers.second_reader and has_reader() and has_second_reader()


def read_again(
    question: str, evidence: Sequence[Evidence], settings: Settings, history: Sequence[Message] = ()
) -> list[SecondReading | None] | None:
    """Return the second reader's reading of each evidence, `None` for those that it is not shown.

    It reads a follow-up after what that leans on. `None` where no second one reads.
    """
    from models.second_reader import load_second_reader

    if not evidence or not reads_again(settings):
        return None
    readings = read_evidence(question, evidence, settings) or ()
    logits = {index: reading.logit for index, reading in enumerate(readings) if reading}
    found_best = max(logits, key=lambda index: evidence[index].hit.score, default=-1)
    shown = sorted(logits, key=lambda index: (index != found_best, -logits[index]))[:READ_AGAIN]
    asked = heard(question, history)
    read = _second.read(asked, [evidence[index] for index in shown], load_second_reader(settings.embedder).read)
    found = dict(zip(shown, read, strict=True))
    return [found.get(index) for index in range(len(evidence))]


def read_each(
    asks: Sequence[str], contexts: Sequence[str], reader: Callable[[str, Sequence[str]], Sequence[Read]]
) -> list[Read]:
    """Return the reading of each context for its own question; those of one question are read together."""
    found: dict[int, Read] = {}
    for asked in dict.fromkeys(asks):
        places = [place for place, other in enumerate(asks) if other == asked]
        found |= zip(places, reader(asked, [contexts[place] for place in places]), strict=True)
    return [found[place] for place in range(len(asks))]


def in_tiers(question: str, item: Evidence) -> str:
    """Return a question with its amounts told as the tiers of a passage's tables and lists that hold them."""
    if not gives_an_amount(question):
        return question
    return restated(question, tiers_of(item.hit.chunk.text, item.hit.chunk.heading))


def context_of(item: Evidence) -> str:
    """Return a passage under its headings, as the reader was trained to see it."""
    heading = item.hit.chunk.heading or item.hit.title
    return f"{heading}\n{item.hit.chunk.text}" if heading else item.hit.chunk.text


def offset_of(item: Evidence) -> int:
    """Return how many characters stand before the passage in `context_of`."""
    return len(context_of(item)) - len(item.hit.chunk.text)
