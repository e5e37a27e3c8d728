"""Summaries: passages → partial summaries (map) → one summary (reduce), every sentence cited and verified."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.ask import never
from app.citations import Locator
from app.events import Event
from app.extract import spread
from app.gate import Gate
from app.record import record
from app.refusals import blocked, refused
from app.runtime import Runtime
from app.summary_evidence import Subject, subject_evidence
from app.trace import Conclusion, Trace
from core.errors import Stopping
from core.types import Answer, Draft, Evidence, GeneratorChoice, Question, Retrieval

if TYPE_CHECKING:
    from generation.generators import Generator as Drafter
    from generation.passages import Passage
    from generation.verify import Verified

__all__ = ["Subject", "summarize"]
LONGEST = 400
"""Characters of a quoted sentence; a longer one is a paragraph, not a summary."""
ENDS = (".", "!", "?", "…", "。", "！", "？")


def summarize(
    runtime: Runtime,
    subject: Subject,
    *,
    generator: GeneratorChoice = "auto",
    sentences: int = 8,
    stopped: Callable[[], bool] = never,
) -> Answer:
    """Summarise a document or a collection in at most `sentences` sentences.

    Raises:
        NotFound: the principal may read nothing of the subject.
        Stopping: `stopped` came true before the model was done.
    """
    question = Question(f"Summary of {subject.name}", subject.principal, filters=subject.filters, generator=generator)
    trace = Trace(question, kind="summary")
    steps = _conclude(runtime, trace, subject, sentences, stopped)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return record(runtime, trace, stop.value)


def _conclude(
    runtime: Runtime, trace: Trace, subject: Subject, sentences: int, stopped: Callable[[], bool]
) -> Generator[Event, None, Conclusion]:
    """Read, write and check one summary."""
    trace.index_seq = runtime.retriever.seq
    evidence = yield from trace.step("retrieve", subject_evidence, runtime, subject)
    evidence = yield from trace.step("retrieval_rails", _check, runtime, trace, evidence)
    if not evidence:
        return refused(runtime, trace, "no_evidence")
    drafter = runtime.generator(trace.question.generator)
    draft, verified = yield from trace.step("generate", _write, runtime, drafter, evidence, sentences, stopped)
    if verified.reason is not None:
        return refused(runtime, trace, verified.reason)
    gate = Gate(runtime.rails, evidence, trace.question.filters.collection)
    released = yield from trace.step("output_rails", gate.whole, verified.text, verified.claims)
    if blocking := trace.judged(released.verdicts):
        return blocked(runtime, trace, blocking)
    citations = yield from trace.step("locate", Locator(runtime, trace).locate, verified.citations)
    return Conclusion("answered", released.text, None, draft.generator, draft.model, released.claims, citations)


def _check(runtime: Runtime, trace: Trace, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Leave out the passages that a rail keeps from the model; markers count anew."""
    hits = tuple(item.hit for item in evidence)
    kept, verdicts = runtime.rails.check_retrieval(hits, trace.question.filters.collection)
    trace.judged(verdicts)
    trace.hits = kept
    trace.evidence = tuple(Evidence(marker, hit) for marker, hit in enumerate(kept, start=1))
    return trace.evidence


def _write(
    runtime: Runtime, drafter: Drafter, evidence: Sequence[Evidence], sentences: int, stopped: Callable[[], bool]
) -> tuple[Draft, Verified]:
    """Write with the model where there is one; with the documents' own sentences where its words do not hold."""
    if drafter.name != "quote":
        draft, verified = _map_reduce(runtime, drafter, evidence, sentences, stopped)
        if verified.reason is None:
            return draft, verified
    draft = Draft(_quoted(runtime, evidence, sentences), "quote", runtime.generator("quote").model)
    return draft, runtime.verifier.verify("", draft, evidence)


def _map_reduce(
    runtime: Runtime, drafter: Drafter, evidence: Sequence[Evidence], sentences: int, stopped: Callable[[], bool]
) -> tuple[Draft, Verified]:
    """Summarise each window of passages, then the passages that those summaries rest on."""
    from generation.generators import write_draft
    from generation.prompts import render

    asked = render("summary", sentences=str(sentences))
    windows = _windows(runtime, evidence)
    while True:
        drafts = []
        for window in windows:
            drafts.append(write_draft(drafter, asked, window, stopped=stopped))
            if stopped():
                raise Stopping
        whole = replace(drafts[0], text="\n".join(draft.text for draft in drafts))
        verified = runtime.verifier.verify("", whole, evidence)
        cited = {citation.chunk_id for citation in verified.citations}
        rests_on = [item for item in evidence if item.hit.chunk.id in cited]
        fewer = _windows(runtime, rests_on)
        if len(windows) == 1 or verified.reason is not None or not len(fewer) < len(windows):
            return whole, verified
        windows = fewer


def _windows(runtime: Runtime, evidence: Sequence[Evidence]) -> list[list[Evidence]]:
    """Return the passages in runs that each fit the model's window."""
    from generation.evidence import select_evidence

    windows: list[list[Evidence]] = []
    left = list(evidence)
    while left:
        retrieval = Retrieval(tuple(item.hit for item in left), {}, 0)
        fits = {item.hit.chunk.id for item in select_evidence(retrieval, runtime.settings)}
        if not fits:
            break
        windows.append([item for item in left if item.hit.chunk.id in fits])
        left = [item for item in left if item.hit.chunk.id not in fits]
    return windows


def _quoted(runtime: Runtime, evidence: Sequence[Evidence], sentences: int) -> str:
    """Return the sentences that say most of what the passages say, each with its marker, after what it leans on."""
    from generation.passages import passage_text, passages_of

    said: dict[str, Passage] = {}
    for passage in quotable(passages_of(evidence), sentences):
        said.setdefault(passage_text(passage), passage)
    texts = list(said)
    opens = [said[text].evidence.hit.chunk.ordinal == 0 and said[text].unit.start == 0 for text in texts]
    vectors = runtime.encoder.encode(texts, "document")
    lines: dict[str, None] = {}
    for count in range(sentences, 0, -1):  # fewer where those they lean on take the room
        chosen = [said[texts[row]] for row in spread(vectors, opens, count)]
        lines = dict.fromkeys(line for passage in chosen for line in _lines(passage))
        if len(lines) <= sentences:
            break
    return "\n".join(lines)


def _lines(passage: Passage) -> list[str]:
    """Return a piece as a line with its marker, below that of the sentence it leans on."""
    from generation.passages import flat, passage_text

    leading = leans_on(passage)
    texts = [leading, flat(passage.text)] if leading else [passage_text(passage)]
    return [f"{text} [{passage.evidence.marker}]" for text in texts]


def leans_on(passage: Passage) -> str:
    """Return the sentence that a piece ("It may be split.") takes its subject from; empty where it has its own."""
    from generation.passages import explained, flat

    if passage.antecedent:
        return explained(passage).removesuffix(flat(passage.text)).strip()
    return flat(passage.lead) if passage.unit.kind == "sentence" and not passage.brief else ""


def quotable(passages: Sequence[Passage], sentences: int) -> list[Passage]:
    """Return the pieces that may stand in a summary: whole sentences, items and rows besides where those are too few.

    Titles, leads of lists and the heads of letters sum nothing up; they are what is left where nothing else is.
    """
    from generation.passages import passage_text

    short = [p for p in passages if len(passage_text(p)) <= LONGEST and not passage_text(p).endswith(":")]
    # A single sentence has no room for the one it leans on, and no summary for one that is a paragraph.
    longest = LONGEST if sentences > 1 else 0
    short = [p for p in short if len(leans_on(p)) <= longest] or short
    whole = [p for p in short if p.unit.kind == "sentence" and p.text.rstrip("\"'”’)").endswith(ENDS)]
    if len(whole) >= sentences:
        return whole
    return [p for p in short if p in whole or p.unit.kind in ("item", "row")] or short
