"""Judging one answer against its row: did it answer, did it cite the right passage, was the passage found at all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.types import Answer, Citation, Claim, ScoredChunk
from core.words import content_words, coverage
from evals import metrics
from evals.cases import Case, EvidenceRef
from evals.passages import DocumentText, LetterMap, Span, letters, section_name
from evals.store import Store

logger = logging.getLogger(__name__)
HIT_DEPTH = 10
FOUNDED = 0.6
"""Share of a claim's content words that a cited quote must hold to say it at all."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where evidence stands in the store: a document (its id and source) and, where the row is that exact, a span.

    `exact` says that the row names a page or section; with no span it could not be found, and nothing lies in it.
    """

    document: DocumentText
    span: Span | None
    exact: bool


@dataclass(frozen=True, slots=True)
class ClaimJudged:
    """One sentence that was shown, held against the labels of its row."""

    inside: bool
    """One of its citations lies in the labelled passage."""
    gold: bool
    """It holds one of the labelled answers."""
    founded: bool
    """One of its citations holds most of its words: whatever it answers, the passage says it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One answered row; `None` marks what the row cannot judge."""

    answerable: bool | None
    outcome: str
    generator: str
    contains: bool | None
    token_f1: float | None
    citations: tuple[bool, ...] | None
    """Of each citation, whether it is right; `None` where the row has an answer and does not say where."""
    document_hit: bool | None
    page_hit: bool | None
    page_hit_5: bool | None
    ms: float
    claims: tuple[ClaimJudged, ...] = ()

    @property
    def declined(self) -> bool:
        """Whether no answer was given, by refusal or by a rail."""
        return self.outcome != "answered"


class Judge:
    """Judges answers against rows over one store; texts and letter maps are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._texts: dict[str, DocumentText] = {}
        self._maps: dict[str, LetterMap] = {}
        self.unplaced = 0
        """Evidence whose document is not in the store, or whose page or section not in it: counted as never cited."""
        self.changed = 0
        """Evidence whose words its document does not hold, so that the question may have another answer by now, or
        none; looked for where the row names neither page nor section."""

    def judge(self, case: Case, answer: Answer, hits: Sequence[ScoredChunk], ms: float) -> Judged:
        """Judge one answer, and the ten best passages of a search with the same query."""
        places = self.places(case)
        answerable = bool(case.answerable)
        found = bool(case.evidence) and answerable
        exact = found and any(reference.page or reference.section for reference in case.evidence)
        return Judged(
            answerable=case.answerable,
            outcome=answer.outcome,
            generator=answer.generator,
            contains=_of_answer(answer, case, metrics.contains),
            token_f1=_of_answer(answer, case, metrics.token_f1),
            citations=_right(answer, places) if case.evidence or case.answerable is False else None,
            document_hit=_any_hit(hits[:HIT_DEPTH], places, whole=True) if found else None,
            page_hit=_any_hit(hits[:HIT_DEPTH], places) if exact else None,
            page_hit_5=_any_hit(hits[:5], places) if exact else None,
            ms=ms,
            claims=tuple(_claim(claim, answer, case, places) for claim in answer.claims),
        )

    def places(self, case: Case) -> list[Place]:
        """Return where a case's evidence stands in the store."""
        return [place for reference in case.evidence for place in self._places(reference)]

    def warn(self) -> None:
        """Say what evidence could not be found, which would otherwise pass for worse answers."""
        if self.unplaced:
            logger.warning(
                "evidence that is in no document here, and counts as missed: %s; see that the questions were made for "
                "these documents, and name them as these do",
                self.unplaced,
            )
        if self.changed:
            logger.warning(
                "evidence whose words its document does not hold (any more): %s; read these questions over, or make "
                "them anew: attest eval make",
                self.changed,
            )

    def _places(self, reference: EvidenceRef) -> list[Place]:
        found = self._store.find(reference.document)
        self.unplaced += not found
        return [self._place(reference, identifier) for identifier in found]

    def _place(self, reference: EvidenceRef, identifier: str) -> Place:
        document = self._document(identifier)
        span, exact = None, False
        if reference.page is not None and document.pages:
            span, exact = document.pages.get(reference.page), True
        elif reference.section is not None:
            span, exact = document.sections.get(section_name(reference.section)), True
            if span is None and reference.text:
                span = self._map(document).find(reference.text)
        if exact and span is None:
            self.unplaced += 1
        if not exact and reference.text and not self._holds(document, reference.text):
            self.changed += 1
        return Place(document, span, exact)

    def _document(self, identifier: str) -> DocumentText:
        if identifier not in self._texts:
            self._texts[identifier] = self._store.text(identifier)
        return self._texts[identifier]

    def _holds(self, document: DocumentText, words: str) -> bool:
        """Say whether a document holds all the letters and digits; finding a place makes do with fewer."""
        return words in document.text or letters(words) in self._map(document).letters

    def _map(self, document: DocumentText) -> LetterMap:
        if document.id not in self._maps:
            self._maps[document.id] = LetterMap(document.text)
        return self._maps[document.id]


def _right(answer: Answer, places: Sequence[Place]) -> tuple[bool, ...]:
    return tuple(any(cites(citation, place) for place in places) for citation in answer.citations)


def _claim(claim: Claim, answer: Answer, case: Case, places: Sequence[Place]) -> ClaimJudged:
    cited = [citation for citation in answer.citations if citation.marker in claim.citations]
    wanted = content_words(claim.text)
    return ClaimJudged(
        inside=any(cites(citation, place) for citation in cited for place in places),
        gold=bool(case.answerable and metrics.contains(claim.text, case.answers)),
        founded=any(coverage(wanted, citation.quote) >= FOUNDED for citation in cited),
    )


def _of_answer(answer: Answer, case: Case, metric: Any) -> Any:
    """Score the text of an answer to an answerable question; one that was declined scores zero."""
    if not case.answerable or not case.answers:
        return None
    return metric(plain(answer.text), case.answers) if answer.outcome == "answered" else metric("", case.answers)


def plain(text: str) -> str:
    """Return an answer's text without its citation markers, which no gold answer has."""
    return metrics.MARKERS.sub("", text)


def cites(citation: Citation, place: Place) -> bool:
    """Whether a quotation lies in the evidence document and, where the row is exact, mostly in its passage."""
    if citation.document_id != place.document.id:
        return place.document.source in citation.also_in and not place.exact
    return not place.exact or (place.span is not None and Span(citation.start, citation.end).mostly_in(place.span))


def _any_hit(hits: Iterable[ScoredChunk], places: Sequence[Place], whole: bool = False) -> bool:
    return any(hits_place(hit, place, whole) for hit in hits for place in places)


def hits_place(hit: ScoredChunk, place: Place, whole: bool = False) -> bool:
    """Whether a passage comes from the evidence document (`whole`) or, where the row is exact, from its passage."""
    if hit.chunk.document_id != place.document.id:
        return place.document.source in hit.also_in and (whole or not place.exact)
    if whole or not place.exact:
        return True
    return place.span is not None and Span(hit.chunk.start, hit.chunk.end).meets(place.span)


def summarise(judged: Sequence[Judged]) -> dict[str, Any]:
    """Average judged rows into the figures of `attest eval answers`."""
    answered = [row for row in judged if not row.declined]
    pairs = [(row.declined, row.answerable) for row in judged if row.answerable is not None]
    eligible = [row for row in answered if row.answerable]
    times = [row.ms for row in judged]
    return {
        "questions": len(judged),
        "answered": len(answered),
        "contains": metrics.mean(row.contains for row in judged),
        "token_f1": metrics.mean(row.token_f1 for row in judged),
        "citation_precision": metrics.mean(right for row in answered for right in row.citations or ()),
        "citation_recall": metrics.mean(_cited(row) for row in eligible),
        "page_hit@10": metrics.mean(row.page_hit for row in judged),
        "doc_hit@10": metrics.mean(row.document_hit for row in judged),
        **refusals(pairs),
        "p50_ms": metrics.percentile(times, 50),
        "p95_ms": metrics.percentile(times, 95),
    } | _details(judged, answered, eligible)


def _cited(row: Judged) -> bool | None:
    return None if row.citations is None else any(row.citations)


def refusals(pairs: Sequence[tuple[bool, bool]]) -> dict[str, float | None]:
    """Score the refusals; without an unanswerable question there is nothing to be precise about."""
    judgeable = any(not answerable for _, answerable in pairs)
    return {
        "refusal_precision": metrics.refusal_precision(pairs) if judgeable else None,
        "refusal_recall": metrics.refusal_recall(pairs),
        "false_refusal_rate": metrics.false_refusal_rate(pairs),
    }


def _details(judged: Sequence[Judged], answered: Sequence[Judged], eligible: Sequence[Judged]) -> dict[str, Any]:
    """Say more than the fixed figures: the same over answered rows alone, and where citations fell."""
    rates = refusals([(row.declined, row.answerable) for row in judged if row.answerable is not None])
    recall, false = rates["refusal_recall"], rates["false_refusal_rate"]
    answerable = [row for row in judged if row.answerable]
    claims = [claim for row in answered for claim in row.claims]
    placed = [row for row in answered if row.citations is not None]
    wrong = [not (claim.inside or claim.gold) for row in placed if row.answerable for claim in row.claims]
    return {
        "claims": len(claims),
        "claims_outside": metrics.mean(not claim.inside for row in placed for claim in row.claims),
        "claims_wrong": metrics.mean(wrong),
        "claims_unfounded": metrics.mean(not claim.founded for claim in claims),
        "claims_unanswerable": metrics.share(len(claims) - sum(len(row.claims) for row in eligible), len(claims)),
        "blocked": sum(row.outcome == "blocked" for row in judged),
        "contains_answered": metrics.mean(row.contains for row in answered),
        "token_f1_answered": metrics.mean(row.token_f1 for row in answered),
        "citation_precision_answerable": metrics.mean(right for row in eligible for right in row.citations or ()),
        "cited_of_answerable": metrics.mean(_cited(row) for row in answerable),
        "page_hit@5": metrics.mean(row.page_hit_5 for row in judged),
        "balanced_refusal_accuracy": None if recall is None or false is None else (recall + 1 - false) / 2,
        "generators": _counts(row.generator for row in answered),
    }


def _counts(names: Iterable[str]) -> Mapping[str, int]:
    listed = list(names)
    return {name: listed.count(name) for name in sorted(set(listed))}
