"""Does the evidence say what a claim says? Every claim is held against all evidence, not only what it cites.

A claim that stands verbatim in the evidence is supported; one that is only a few words of a sentence must also answer
the question (`generation.fragments`), and is shown with that sentence. Otherwise the best window of evidence is scored
by the `groundedness` adapter where it is installed, by meaning and shared words where not; numbers, names and
negations are compared exactly besides, and one that the window lacks caps the score below support.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from core.settings import Settings
from core.types import Citation, Claim, Draft, Evidence, Support
from generation.cite import Checked, Composer, DraftClaim, Place, claims_as_written, parse_draft
from generation.exact import AT_MOST, mismatch
from generation.fragments import answering, fragments, standing
from generation.passages import Passage, flat, passage_text, passages_of
from generation.prompts import NOT_FOUND
from generation.support import Limits, limits, support_scores
from models import second_reader
from models.grounding import ADAPTER
from models.opinion import load_opinion
from models.sources import adapter_revision

if TYPE_CHECKING:
    from models.adapters import Classifier

SURE = 0.8
"""Score from which a supported claim meets no further evidence. No verdict hangs on it, only the score shown."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What is left of a draft; `reason` is set where it must be refused."""

    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """One claim that may be shown: the text it adds, and the citations that are new with it."""

    added: str
    claim: Claim
    citations: tuple[Citation, ...]


class Grounds:
    """The evidence of one draft, cut into quotable pieces once, at the first claim that needs them."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self.evidence = evidence
        self.told = ""
        """The claim that was checked last: a reply follows its question, in a stream perhaps in the next batch."""

    @cached_property
    def passages(self) -> list[Passage]:
        """Every quotable piece."""
        return passages_of(self.evidence)

    @cached_property
    def composed(self) -> dict[str, list[Passage]]:
        """The pieces by the text of a quote made of each, and by their own words."""
        found: dict[str, list[Passage]] = {}
        for passage in self.passages:
            for text in {passage_text(passage), flat(passage.text)}:
                found.setdefault(text, []).append(passage)
        return found


class Verifier:
    """Checks drafts claim by claim."""

    def __init__(self, settings: Settings, classifier: Classifier | None = None) -> None:
        self._settings = settings
        self._classifier = classifier

    @property
    def revision(self) -> str | None:
        """A short name of the trained judges' weights, for the record; `None` where shared words judge."""
        if self._classifier is None or not self._classifier.has(ADAPTER):
            return None
        first = str(self._classifier.card(ADAPTER)["adapter_sha256"])[:16]
        opinion = load_opinion(self._settings, limits(self._classifier).supported)
        return f"{first}+{adapter_revision(second_reader.FOLDER)}" if opinion else first

    def verify(self, question: str, draft: Draft, evidence: Sequence[Evidence]) -> Verified:
        """Return what the evidence supports of a draft."""
        if NOT_FOUND in draft.text:
            return Verified("", (), (), "insufficient_evidence")
        composer = Composer()
        claims = parse_draft(draft.text, (item.marker for item in evidence))
        for checked in self.check(question, claims, Grounds(evidence)):
            composer.add(checked)
        done = composer.result()
        reason = None if any(claim.citations for claim in done.claims) else "unsupported_draft"
        return Verified("", (), (), reason) if reason else Verified(done.text, done.claims, done.citations)

    def verify_stream(self, question: str, pieces: Iterator[str], evidence: Sequence[Evidence]) -> Iterator[Released]:
        """Yield claims as soon as they are complete and checked; what fails is left out or marked by policy."""
        composer, grounds = Composer(), Grounds(evidence)
        for whole in claims_as_written(pieces, [item.marker for item in evidence]):
            for checked in self.check(question, whole, grounds):
                yield Released(*composer.add(checked))

    def check(self, question: str, claims: Sequence[DraftClaim], grounds: Grounds) -> Iterator[Checked]:
        """Yield the claims that stay, each with its verdict and places; `remove` drops what has no support.

        Without a question, as in a summary, a few words of a sentence are judged as any other claim.
        """
        found = []
        for claim in claims:
            found.append(self._verbatim(question, claim, grounds))
            grounds.told = claim.text
        open_claims = [claim for claim, told in zip(claims, found, strict=True) if told is None]
        judged = iter(self._judge(open_claims, grounds.passages) if open_claims else ())
        for told in found:
            for checked in [next(judged)] if told is None else told:
                if checked.verdict != "unsupported" or self._settings.answers.unsupported_claims == "mark":
                    yield checked

    def _verbatim(self, question: str, claim: DraftClaim, grounds: Grounds) -> list[Checked] | None:
        """Return the claim as it stands in the evidence; `None` where it does not stand there.

        Cited evidence comes first, and of equal pieces the one after what the draft says before the claim.
        """
        if whole := grounds.composed.get(claim.text):
            best = min(whole, key=lambda p: (p.evidence.marker not in claim.markers, not _follows(p, grounds.told)))
            return [Checked(claim, "supported", 1.0, (_place(best, 1.0),))]
        if parts := fragments(claim.text, grounds.passages) if question else []:
            part = answering(question, parts, grounds.passages, self._settings)
            if part is None:
                return [Checked(claim, "unsupported", 0.0, ())]
            return _in_its_sentence(claim, part.passage)
        told = claim.text.rstrip(" .")
        if not told:
            return None
        pattern = re.compile(rf"{standing(told)}\.?")  # after the claim the passage may go on
        for item in sorted(grounds.evidence, key=lambda item: item.marker not in claim.markers):
            match = pattern.search(item.hit.chunk.text)
            if match:
                return [Checked(claim, "supported", 1.0, (Place(item, match.start(), match.end(), 1.0),))]
        return None

    def _judge(self, claims: Sequence[DraftClaim], passages: Sequence[Passage]) -> list[Checked]:
        if not claims or not passages:
            return [Checked(claim, "unsupported", 0.0, ()) for claim in claims]
        bounds = limits(self._classifier)

        def settled(index: int, scores: Sequence[float]) -> bool:
            return _settles(_settle(claims[index], scores, passages, bounds))

        texts = [claim.text for claim in claims]
        scores = support_scores(texts, passages, self._settings, self._classifier, settled)
        return [_settle(claim, row, passages, bounds) for claim, row in zip(claims, scores, strict=True)]


def _settle(claim: DraftClaim, scores: Sequence[float], passages: Sequence[Passage], bounds: Limits) -> Checked:
    """Return the verdict on a claim: its own citations where they support it, the best other evidence where not."""
    capped = [_capped(claim.text, score, passage, bounds) for score, passage in zip(scores, passages, strict=True)]
    order = sorted(range(len(capped)), key=lambda index: -capped[index])
    best = capped[order[0]]
    verdict = _verdict(best, bounds)
    if verdict == "unsupported":
        return Checked(claim, verdict, best, ())
    cited = [index for index in order if passages[index].evidence.marker in claim.markers]
    keep = [index for index in cited if _verdict(capped[index], bounds) == verdict] or order[:1]
    places = {passages[index].evidence.marker: _place(passages[index], capped[index]) for index in reversed(keep)}
    return Checked(claim, verdict, best, tuple(sorted(places.values(), key=lambda place: -place.score)))


def _settles(checked: Checked) -> bool:
    """Whether further evidence would change little: well supported, and by everything that the claim cites."""
    found = {place.evidence.marker for place in checked.places}
    return checked.verdict == "supported" and checked.score >= SURE and found.issuperset(checked.claim.markers)


def _follows(passage: Passage, told: str) -> bool:
    """Whether a piece is led by what is told before it, as a reply is by its question."""
    return bool(told) and flat(passage.lead).endswith(told)


def _place(passage: Passage, score: float) -> Place:
    return Place(passage.evidence, *passage.span, score)


def _in_its_sentence(claim: DraftClaim, passage: Passage) -> list[Checked]:
    """Return a fragment and, below it, the piece it is taken from: a few words alone are no answer to rely on."""
    place = _place(passage, 1.0)
    told = DraftClaim(passage_text(passage), claim.markers, "\n")
    return [Checked(claim, "supported", 1.0, (place,)), Checked(told, "supported", 1.0, (place,))]


def _capped(claim: str, score: float, passage: Passage, bounds: Limits) -> float:
    """Return the score, held below the verdict that a word-for-word mismatch rules out."""
    found = mismatch(claim, passage) if score >= bounds.partial else None
    if found is None:
        return score
    ceiling = bounds.partial if AT_MOST[found] == "unsupported" else bounds.supported
    return min(score, 0.99 * ceiling)


def _verdict(score: float, bounds: Limits) -> Support:
    return "supported" if score >= bounds.supported else "partial" if score >= bounds.partial else "unsupported"
