"""One draft as it is written: each claim leaves once it is verified and past the output rails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from app.citations import Locator
from app.events import CitationReleased, ClaimReleased, DraftPiece, Event, StageDone
from app.gate import Gate, strictest
from app.runtime import Runtime
from app.trace import Trace
from core.types import Citation, Claim, Verdict

if TYPE_CHECKING:
    from generation.generators import Generator
    from generation.verify import Released


class Writing:
    """A draft in the making, and what of it has left."""

    def __init__(self, runtime: Runtime, trace: Trace, drafter: Generator, stopped: Callable[[], bool]) -> None:
        self.text = ""
        self.claims: list[Claim] = []
        self.citations: list[Citation] = []
        self.verdicts: tuple[Verdict, ...] = ()
        self._runtime, self._trace, self._drafter, self._stopped = runtime, trace, drafter, stopped
        self._gate = Gate(runtime.rails, trace.evidence, trace.question.filters.collection)
        self._locator = Locator(runtime, trace)
        self._draft = ""
        self._generating_ms = 0.0

    @property
    def declined(self) -> bool:
        """Whether the model said that the passages do not answer."""
        from generation.prompts import NOT_FOUND

        return NOT_FOUND in self._draft

    def events(self) -> Iterator[Event]:
        """Yield claims and citations as they leave; nothing follows one that a rail blocks."""
        trace, began = self._trace, time.perf_counter()
        checking_ms = 0.0
        pieces: Iterator[str] = self._pieces()
        if self._runtime.settings.answers.stream_unverified:
            for piece in pieces:
                yield DraftPiece(piece)
            pieces = iter((self._draft,))
        for item in self._runtime.verifier.verify_stream(trace.standalone, pieces, trace.evidence):
            checked, length = time.perf_counter(), len(self.text)
            released = self._release(item)
            checking_ms += (time.perf_counter() - checked) * 1000
            if released is None:
                if any(verdict.action == "block" for verdict in self.verdicts):
                    break
                continue
            citations = self._locator.locate(item.citations)
            self.citations.extend(citations)
            trace.timings_ms.setdefault("first_claim", round((time.perf_counter() - trace.started) * 1000, 3))
            yield from (CitationReleased(citation) for citation in citations)
            yield ClaimReleased(released, self.text[length:])
        total_ms = (time.perf_counter() - began) * 1000
        verifying_ms = max(0.0, total_ms - self._generating_ms - checking_ms)
        for name, ms in (("generate", self._generating_ms), ("verify", verifying_ms), ("output_rails", checking_ms)):
            trace.add(name, ms)
            yield StageDone(name, round(ms, 3))

    def _release(self, item: Released) -> Claim | None:
        """Pass a claim through the rails; `None` where nothing of it may leave."""
        head, tail = _around(item)
        released, text, verdicts = self._gate.one(item.claim, tail, self.text + (head if self.text else ""))
        self.verdicts = strictest((*self.verdicts, *verdicts))
        if released is not None:
            self.text = text
            self.claims.append(released)
        return released

    def _pieces(self) -> Iterator[str]:
        """Yield the draft's pieces until a reader stops it; closing the draft stops the model."""
        trace = self._trace
        draft = self._drafter.draft(trace.asked_of(self._drafter.name), trace.evidence, trace.question.history)
        try:
            while not self._stopped():
                began = time.perf_counter()
                piece = next(draft, None)
                self._generating_ms += (time.perf_counter() - began) * 1000
                if piece is None:
                    return
                self._draft += piece
                yield piece
        finally:
            close = getattr(draft, "close", None)
            if close is not None:
                close()


def _around(item: Released) -> tuple[str, str]:
    """Return what an added text holds before its claim and after it (its markers)."""
    at = item.added.index(item.claim.text)
    return item.added[:at], item.added[at + len(item.claim.text) :]
