"""All rails behind four functions: what comes in, what was found, what goes out, what is ingested.

    check_input:      rules and classifiers in one encoder pass → verdicts
    check_retrieval:  hits that give orders are neutralised or dropped
    check_output:     toxicity, personal data, secrets, groundedness, then the exit gate, always last
    scan_document:    verdicts that may quarantine a document

A rail that raises is unavailable: under a blocking policy that blocks (`rail_unavailable`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.settings import Settings
from core.types import Action, Evidence, RailStage, ScoredChunk, Verdict
from guardrails.policy import check_names, effective
from guardrails.rail import ClassifierRail, Context, Finding, ManyTextsRail, Rail, is_classifier_rail
from guardrails.registry import build_rails

if TYPE_CHECKING:
    from models.adapters import Classifier

logger = logging.getLogger(__name__)
UNAVAILABLE = "rail_unavailable"


class Rails:
    """The rails in force, and the policy that turns their findings into verdicts."""

    def __init__(self, settings: Settings, classifier: Classifier, rails: Sequence[Rail | ClassifierRail]) -> None:
        self._settings = settings.rails
        self._classifier = classifier
        self._rails = tuple(rails)
        check_names(self._settings, self.names)

    @classmethod
    def open(cls, settings: Settings, classifier: Classifier) -> Rails:
        """Build every rail the settings ask for, your own included; heavy parts load at their first use.

        Raises:
            InvalidInput: the policy names a rail that does not exist, or a pattern does not compile.
        """
        return cls(settings, classifier, build_rails(settings, classifier))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all rails, in the order they run."""
        return tuple(rail.name for rail in self._rails)

    @property
    def rails(self) -> tuple[Rail | ClassifierRail, ...]:
        """The rails themselves, in the order they run."""
        return self._rails

    def check_input(self, text: str, collection: str | None = None) -> tuple[Verdict, ...]:
        """Return one verdict a rail on a question."""
        return tuple(verdict for verdict, _ in self._run(Context("input", text, collection)))

    def redact_input(self, text: str, collection: str | None = None) -> str:
        """Return the question as it may be logged or kept: without personal data and secrets."""
        for rail in self._of("input"):
            if rail.name in ("pii", "secrets") and not is_classifier_rail(rail):
                finding = self._guarded(rail, Context("input", text, collection))
                if finding is None:
                    return "[not kept: the rail that removes personal data is unavailable]"
                text = finding.redacted or text
        return text

    def check_retrieval(
        self, hits: Sequence[ScoredChunk], collection: str | None = None
    ) -> tuple[tuple[ScoredChunk, ...], tuple[Verdict, ...]]:
        """Return the hits that may be shown to a generator, best first, and one verdict a rail.

        A flagged hit keeps its length and offsets: the sentence that gives orders is blanked.
        """
        verdicts: list[Verdict] = []
        kept = list(hits)
        for rail in self._of("retrieval"):
            contexts = [Context("retrieval", hit.chunk.text, collection or hit.collection) for hit in kept]
            findings = self._each(rail, contexts)
            judged = [self._verdict(rail, *pair) for pair in zip(contexts, findings, strict=True)]
            verdicts.append(_worst(rail, judged, [hit.chunk.id for hit in kept]))
            triples = zip(kept, judged, findings, strict=True)
            kept = [_neutral(hit, verdict, found) for hit, verdict, found in triples if verdict.action != "block"]
        return tuple(kept), tuple(verdicts)

    def check_output(
        self, text: str, evidence: Sequence[Evidence], collection: str | None = None
    ) -> tuple[str, tuple[Verdict, ...]]:
        """Return the text that may leave and one verdict a rail; recompute offsets into the text after it."""
        verdicts = []
        for verdict, finding in self._run(Context("output", text, collection, tuple(evidence)), last="exit_gate"):
            verdicts.append(verdict)
            if verdict.action == "redact" and finding is not None:
                text = self._redacted(text, verdict, collection)
        gated = self._gate(text, evidence, collection)
        return gated[0], (*verdicts, *gated[1])

    def scan_document(self, text: str, collection: str | None = None) -> tuple[Verdict, ...]:
        """Return one verdict a rail on a document's text; an action of `block` asks for quarantine."""
        return tuple(verdict for verdict, _ in self._run(Context("ingest", text, collection)))

    def _gate(self, text: str, evidence: Sequence[Evidence], collection: str | None) -> tuple[str, tuple[Verdict, ...]]:
        for rail in self._of("output"):
            if rail.name == "exit_gate" and not is_classifier_rail(rail):
                context = Context("output", text, collection, tuple(evidence))
                finding = self._guarded(rail, context)
                verdict = self._verdict(rail, context, finding)
                if verdict.action == "redact" and finding is not None and finding.redacted is not None:
                    text = finding.redacted
                return text, (verdict,)
        return text, ()

    def _redacted(self, text: str, verdict: Verdict, collection: str | None) -> str:
        """Redact again on the text as it is by now: an earlier rail may have moved everything."""
        rail = next(rail for rail in self._rails if rail.name == verdict.rail)
        if is_classifier_rail(rail):
            return text
        finding = self._guarded(rail, Context("output", text, collection))
        return text if finding is None or finding.redacted is None else finding.redacted

    def _of(self, stage: RailStage) -> list[Rail | ClassifierRail]:
        return [r for r in self._rails if stage in r.stages and effective(self._settings, r.name, stage, None).enabled]

    def _run(self, context: Context, last: str | None = None) -> list[tuple[Verdict, Finding | None]]:
        """Run the rails of a stage but `last`: rules first, then everything the encoder scores in one pass."""
        rails = [rail for rail in self._of(context.stage) if rail.name != last]
        findings: dict[str, Finding | None] = {}
        for rail in rails:
            if not is_classifier_rail(rail):
                findings[rail.name] = self._guarded(rail, context)
        scored = [rail for rail in rails if is_classifier_rail(rail)]
        found = self._scored([(rail, context) for rail in scored])
        findings |= {rail.name: finding for rail, finding in zip(scored, found, strict=True)}
        return [(self._verdict(rail, context, findings[rail.name]), findings[rail.name]) for rail in rails]

    def _each(self, rail: Rail | ClassifierRail, contexts: Sequence[Context]) -> list[Finding | None]:
        """Run one rail over several texts."""
        if is_classifier_rail(rail):
            return self._scored([(rail, context) for context in contexts])
        if isinstance(rail, ManyTextsRail) and len(contexts) > 1:
            try:
                return list(rail.check_all(contexts))
            except Exception:  # see _guarded; what one text breaks must not stop the others
                logger.warning("rail %s checks texts one by one", rail.name, exc_info=True)
        return [self._guarded(rail, context) for context in contexts]

    def _guarded(self, rail: Rail, context: Context) -> Finding | None:
        try:
            return rail.check(context)
        except Exception:  # a rail may be anybody's code; whatever it raises, the answer is "unavailable"
            logger.warning("rail %s is unavailable", rail.name, exc_info=True)
            return None

    def _scored(self, pairs: Sequence[tuple[ClassifierRail, Context]]) -> list[Finding | None]:
        """Score everything together; if that fails, each alone, so that one broken adapter takes down no other."""
        if not pairs:
            return []
        try:
            requests = [list(rail.requests(context)) for rail, context in pairs]
            flat = [request for wanted in requests for request in wanted]
            scores = [float(score) for score in self._classifier.score_many(flat)] if flat else []
            found: list[Finding | None] = []
            for (rail, context), wanted in zip(pairs, requests, strict=True):
                found.append(rail.judge(context, scores[: len(wanted)]))
                scores = scores[len(wanted) :]
        except Exception:  # see _guarded
            if len(pairs) == 1:
                logger.warning("rail %s is unavailable", pairs[0][0].name, exc_info=True)
                return [None]
            return [self._scored([pair])[0] for pair in pairs]
        return found

    def _verdict(self, rail: Rail | ClassifierRail, context: Context, finding: Finding | None) -> Verdict:
        policy = effective(self._settings, rail.name, context.stage, context.collection)
        threshold = policy.threshold if policy.threshold is not None else rail.threshold
        if finding is None:
            action: Action = "block" if policy.fail == "closed" else "flag"
            return Verdict(rail.name, context.stage, action, 1.0, threshold, UNAVAILABLE)
        fired = finding.score >= threshold
        return Verdict(
            rail.name,
            context.stage,
            policy.action if fired else "allow",
            finding.score,
            threshold,
            finding.reason if fired else "",
        )


def blocked_by(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the first verdict that blocks, or None."""
    return next((verdict for verdict in verdicts if verdict.action == "block"), None)


def _worst(rail: Rail | ClassifierRail, judged: Sequence[Verdict], chunk_ids: Sequence[int]) -> Verdict:
    """Fold the verdicts on all hits into one that names the chunks that fired."""
    fired = [(verdict, chunk) for verdict, chunk in zip(judged, chunk_ids, strict=True) if verdict.action != "allow"]
    if not fired:
        highest = max((verdict.score for verdict in judged), default=0.0)
        return Verdict(rail.name, "retrieval", "allow", highest, rail.threshold)
    worst = max((verdict for verdict, _ in fired), key=lambda verdict: verdict.score)
    chunks = ", ".join(str(chunk) for _, chunk in fired)
    # Dropping a passage is not blocking the question: what is left may still answer it.
    action: Action = "redact" if worst.action == "block" else worst.action
    return replace(worst, action=action, reason=f"{worst.reason} in chunks {chunks}".strip())


def _neutral(hit: ScoredChunk, verdict: Verdict, finding: Finding | None) -> ScoredChunk:
    """Return the hit with its orders blanked, same length, so that every offset into it still holds."""
    if verdict.action == "allow" or finding is None or finding.redacted is None:
        return hit
    return replace(hit, chunk=replace(hit.chunk, text=finding.redacted))
