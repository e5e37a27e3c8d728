"""Personal data: patterns with checks for numbers, and a tagger for names, places, organisations and dates.

Numbers that identify somebody to an authority or a bank (`SENSITIVE`, or `rails.pii_redact`) fire the
rail and are redacted; names and places are the stuff of ordinary answers and only raise the score. Spans: precision
0.866, recall 0.943, F1 0.903 with the tagger held out by template; patterns 3.1 ms for 45 words with six numbers.
Reproduce: `python -m bench.rails_folds --rail pii` after `python -m tuning.tagger --keep-folds`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.types import RailStage
from guardrails.pii_types import SENSITIVE, TAGGED, family, kinds_named
from guardrails.rail import Context, Finding

if TYPE_CHECKING:
    from models.adapters import Classifier

ADAPTER = "pii"
_MENTIONED = 0.4
_SCAN_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class PiiSpan:
    """`text[start:end]` is personal data of this kind."""

    start: int
    end: int
    kind: str
    score: float


class Pii:
    """Finds and redacts personal data by policy."""

    name = "pii"
    stages: frozenset[RailStage] = frozenset({"ingest", "input", "output"})
    threshold = 0.5

    def __init__(self, classifier: Classifier, redact: Iterable[str] = ()) -> None:
        """Redact these kinds, or with none named the `SENSITIVE` ones.

        Raises:
            InvalidSetting: a kind is none that is ever found.
        """
        self._classifier = classifier
        self._redact = kinds_named(redact) or SENSITIVE

    def check(self, context: Context) -> Finding:
        """Score 1 when a kind the policy names is found, 0.4 when only others are; redact the named kinds."""
        text = context.text[:_SCAN_CHARACTERS]
        spans = find_pii(text, self._classifier if self._redact & TAGGED else None)
        named = [span for span in spans if span.kind in self._redact]
        if not named:
            return Finding(_MENTIONED if spans else 0.0, _kinds(spans, context))
        kinds = _kinds(spans if context.stage == "ingest" else named, context)
        return Finding(1.0, kinds, redacted(text, named) + context.text[_SCAN_CHARACTERS:])


def _kinds(spans: Iterable[PiiSpan], context: Context) -> str:
    """Name the kinds; for a document's quality report with how many there are of each, most first."""
    counts = Counter(span.kind for span in spans)
    if context.stage == "ingest":
        return ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
    return ", ".join(sorted(counts))


def find_pii(text: str, classifier: Classifier | None) -> list[PiiSpan]:
    """Return all personal data in order, no two spans overlapping; without a classifier only what patterns find."""
    from guardrails.pii_engine import find_patterns

    spans = [PiiSpan(span.start, span.end, family(span.name), span.score) for span in find_patterns(text)]
    if classifier is not None:
        tagged = classifier.tag(ADAPTER, [text])[0]
        trusted = [span for span in tagged if span.label in TAGGED or span.label == "PHONE_NUMBER"]
        # Numbers are left to the patterns, which check them; phone numbers have too many spellings for that.
        spans += [PiiSpan(span.start, span.end, span.label, 0.5 * span.score) for span in trusted]
    return resolve(spans)


def resolve(spans: Iterable[PiiSpan]) -> list[PiiSpan]:
    """Keep the surer of two spans that overlap, then the longer; patterns with a check are surest."""
    kept: list[PiiSpan] = []  # in order, so that of those kept only two neighbours can overlap a span
    # Of two checks that agree on the same digits, that of a card is the weaker: one number in ten passes it.
    for span in sorted(spans, key=lambda s: (-s.score, s.start - s.end, s.kind == "CREDIT_CARD")):
        place = bisect_left(kept, span.start, key=lambda other: other.start)
        beside = kept[max(0, place - 1) : place + 1]
        if all(span.end <= other.start or other.end <= span.start for other in beside):
            kept.insert(place, span)
    return kept


def redacted(text: str, spans: Sequence[PiiSpan]) -> str:
    """Return the text with each span replaced by its kind in brackets, so that it still reads."""
    parts, after = [], 0
    for span in sorted(spans, key=lambda s: s.start):
        parts += [text[after : span.start], f"[{span.kind.lower().replace('_', ' ')}]"]
        after = span.end
    return "".join([*parts, text[after:]])
