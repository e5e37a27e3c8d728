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
from guardrails.policy import PRIVATE, Effective, check_policy, effective, strictest
from guardrails.rail import ClassifierRail, Context, Finding, Rail, checks_many, is_classifier_rail
from guardrails.registry import build_rails

if TYPE_CHECKING:
    from models.adapters import Classifier

logger = logging.getLogger(__name__)
UNAVAILABLE = "rail_unavailable"
_NOT_KEPT = "[not kept: a rail that takes parts out of it is unavailable]"


class Rails:
    """The rails in force, and the policy that turns their findings into verdicts."""

    def __init__(self, settings: Settings, classifier: Classifier, rails: Sequence[Rail | ClassifierRail]) -> None:
        self._settings = settings.rails
        self._classifier = classifier
        self._rails = tuple(rails)
        check_policy(self._settings, self.names)

    @classmethod
    def open(cls, settings: Settings, classifier: Classifier) -> Rails:
        """Build every rail the settings ask for, your own included; heavy parts load at their first use.

        Raises:
            InvalidSetting: the policy names a rail that does not exist or asks one for what it cannot do, a kind of
                personal data that is not known, or a pattern that does not compile.
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
        """Return the question as it may be logged or kept: without personal data, secrets and what a policy redacts."""
        for rail in self._of("input"):
            redacts = effective(self._settings, rail.name, "input", collection).action == "redact"
            if not redacts and rail.name not in PRIVATE:
                continue
            context = Context("input", text, collection)
            finding = self._each(rail, [context])[0]
            action = self._verdict(rail, context, finding).action
            if finding is None or (redacts and action == "block"):
                return _NOT_KEPT
            if finding.redacted is not None and (action == "redact" or rail.name in PRIVATE):
                text = finding.redacted
        return text

    def redacts_input(self, collection: str | None = None) -> bool:
        """Whether the policy takes anything out of questions, or stops those that hold what must not be kept."""
        policies = [
            (rail.name, effective(self._settings, rail.name, "input", collection)) for rail in self._of("input")
        ]
        return any(p.action == "redact" or (p.action == "block" and name in PRIVATE) for name, p in policies)

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
            verdicts.append(self._worst(rail, judged, [hit.chunk.id for hit in kept]))
            triples = zip(kept, judged, findings, strict=True)
            kept = [_neutral(hit, verdict, found) for hit, verdict, found in triples if verdict.action != "block"]
        return tuple(kept), tuple(verdicts)

    def check_output(
        self, text: str, evidence: Sequence[Evidence], collection: str | None = None
    ) -> tuple[str, tuple[Verdict, ...]]:
        """Return the text that may leave and one verdict a rail; recompute offsets into the text after it."""
        verdicts, context = [], Context("output", text, collection, tuple(evidence))
        for verdict, finding in self._run(context, last="exit_gate"):
            if verdict.action == "redact":
                text, verdict = self._redacted(
                    replace(context, text=text), verdict, finding, fresh=text == context.text
                )
            verdicts.append(verdict)
        gated, said = self._gate(replace(context, text=text))
        return gated, (*verdicts, *said)

    def scan_document(self, text: str, collection: str | None = None) -> tuple[Verdict, ...]:
        """Return one verdict a rail on a document's text; an action of `block` asks for quarantine."""
        return tuple(verdict for verdict, _ in self._run(Context("ingest", text, collection)))

    def _gate(self, context: Context) -> tuple[str, tuple[Verdict, ...]]:
        for rail in self._of("output"):
            if rail.name == "exit_gate":
                finding = self._each(rail, [context])[0]
                verdict = self._verdict(rail, context, finding)
                return (_left(context, finding) if verdict.action == "redact" else context.text), (verdict,)
        return context.text, ()

    def _redacted(
        self, context: Context, verdict: Verdict, finding: Finding | None, *, fresh: bool
    ) -> tuple[str, Verdict]:
        """Return the text without what a rail found; where earlier rails changed it, the rail looks at it again."""
        if not fresh:
            rail = next(rail for rail in self._rails if rail.name == verdict.rail)
            finding = self._each(rail, [context])[0]
            again = self._verdict(rail, context, finding)
            if again.action != "redact":  # taken out by an earlier rail already, or this one fails now
                return context.text, verdict if again.action == "allow" else again
        return _left(context, finding), verdict

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
        if len(contexts) > 1 and checks_many(rail):
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
        policy = strictest(self._settings, rail.name, context.stage, context.collections)
        threshold = _threshold(rail, policy)
        if finding is None or threshold is None:
            action: Action = "block" if policy.fail == "closed" else "flag"
            return Verdict(rail.name, context.stage, action, 1.0, threshold or 0.0, UNAVAILABLE)
        if finding.score < threshold:
            return Verdict(rail.name, context.stage, "allow", finding.score, threshold)
        # What was to be taken out and cannot be does not leave with the rest.
        action = "block" if policy.action == "redact" and finding.redacted is None else policy.action
        return Verdict(rail.name, context.stage, action, finding.score, threshold, finding.reason)

    def _worst(self, rail: Rail | ClassifierRail, judged: Sequence[Verdict], chunk_ids: Sequence[int]) -> Verdict:
        """Fold the verdicts on all hits into one that names the chunks that fired."""
        if not judged:
            threshold = _threshold(rail, effective(self._settings, rail.name, "retrieval", None))
            return Verdict(rail.name, "retrieval", "allow", 0.0, threshold or 0.0)
        worst = max(judged, key=lambda verdict: (verdict.action != "allow", verdict.score))
        if worst.action == "allow":
            return worst
        fired = [str(chunk) for verdict, chunk in zip(judged, chunk_ids, strict=True) if verdict.action != "allow"]
        # Dropping a passage is not blocking the question: what is left may still answer it.
        action: Action = "redact" if worst.action == "block" else worst.action
        return replace(worst, action=action, reason=f"{worst.reason} in chunks {', '.join(fired)}".strip())


def blocked_by(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the first verdict that blocks, or None."""
    return next((verdict for verdict in verdicts if verdict.action == "block"), None)


def _threshold(rail: Rail | ClassifierRail, policy: Effective) -> float | None:
    """Return the score from which a rail fires: the policy's, else its own; `None` where it cannot tell its own."""
    if policy.threshold is not None:
        return policy.threshold
    try:
        return rail.threshold
    except Exception:  # an adapter whose card cannot be read: as unavailable as one whose weights cannot
        logger.warning("rail %s is unavailable", rail.name, exc_info=True)
        return None


def _left(context: Context, finding: Finding | None) -> str:
    """Return what a redaction leaves of a text."""
    return context.text if finding is None or finding.redacted is None else finding.redacted


def _neutral(hit: ScoredChunk, verdict: Verdict, finding: Finding | None) -> ScoredChunk:
    """Return the hit with its orders blanked, same length, so that every offset into it still holds."""
    if verdict.action == "allow" or finding is None or finding.redacted is None:
        return hit
    return replace(hit, chunk=replace(hit.chunk, text=finding.redacted))
