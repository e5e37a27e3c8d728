"""What the verifier says of labelled answers: every sentence is a claim held against the answer's own context.

    python -m bench.verifier_labelled --data D/guardrails/groundedness.dev.jsonl [--verdicts OUT.jsonl]

Unlike `attest eval rails --rail groundedness`, which scores all windows of a context, this goes the way of an answer:
verbatim claims pass, the best windows are judged, numbers and names are compared besides. The adapter that ships has
learnt the rows of BEGIN and MTRAG: the figures compare ways of judging, they are no forecast. Prints one JSON object;
an answer counts as supported where the mean of its claims' logits reaches the threshold.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.settings import load_settings
from core.types import Chunk, Evidence, ScoredChunk, Scores
from generation.cite import Checked, DraftClaim
from generation.verify import Grounds, Verifier
from models.adapters import load_classifier
from models.grounding import ADAPTER, claims_of, together

APART = ("faithbench", "qags-cnndm", "qags-xsum")
"""Measured on and never trained on; reported apart from the labelled rows."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled answer and what was found of its sentences."""

    name: str
    source: str
    grounded: bool
    checked: Sequence[Checked]

    def supported(self, threshold: float) -> bool:
        """Say whether its sentences together are."""
        return together([claim.score for claim in self.checked]) >= threshold


def judged(verifier: Verifier, rows: Sequence[dict[str, Any]]) -> Iterator[Judged]:
    """Yield every row with a label, its answer checked in one batch as a draft is."""
    for row in rows:
        if row["grounded"] is None:
            continue
        claims = [DraftClaim(text, (1,), " ") for text in claims_of(row["answer"].strip())]
        checked = list(verifier.check("", claims, Grounds([_evidence(row["context"].strip())])))
        yield Judged(row["id"], row["source"], bool(row["grounded"]), checked)


def figures(answers: Sequence[Judged], threshold: float) -> dict[str, Any]:
    """Return balanced accuracy of the labelled rows, accuracy of each source, and how many claims had each verdict."""
    sources: dict[str, list[Judged]] = defaultdict(list)
    for answer in answers:
        sources[answer.source].append(answer)
    labelled = [answer for answer in answers if answer.source not in APART]
    return {
        "rows": len(labelled),
        "balanced_accuracy": round(sum(_rates(labelled, threshold)) / 2, 4),
        "accuracy": {source: _accuracy(found, threshold) for source, found in sorted(sources.items())},
        "claims": dict(Counter(claim.verdict for answer in answers for claim in answer.checked)),
    }


def _rates(answers: Sequence[Judged], threshold: float) -> tuple[float, float]:
    right = [[one.supported(threshold) == label for one in answers if one.grounded == label] for label in (True, False)]
    return sum(right[0]) / len(right[0]), sum(right[1]) / len(right[1])


def _accuracy(answers: Sequence[Judged], threshold: float) -> float:
    return round(sum(one.supported(threshold) == one.grounded for one in answers) / len(answers), 4)


def _evidence(text: str) -> Evidence:
    chunk = Chunk(1, "d1", 1, 0, 0, len(text), None, "", text)
    return Evidence(1, ScoredChunk(chunk, "", "1.md", "default", 1.0, Scores(dense=0.5), datetime.now(UTC)))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--verdicts", type=Path, help="write each answer's verdicts, scores and places here")
    args = parser.parse_args()
    settings = load_settings()
    marking = settings.answers.model_copy(update={"unsupported_claims": "mark"})
    classifier = load_classifier(settings.embedder, settings.home)
    verifier = Verifier(settings.model_copy(update={"answers": marking}), classifier)
    rows = [json.loads(line) for line in args.data.read_text(encoding="utf-8").split("\n") if line.strip()]
    started = time.process_time()
    found = list(judged(verifier, rows))
    spent = time.process_time() - started
    print(json.dumps(figures(found, classifier.threshold(ADAPTER)) | {"processor_s": round(spent, 1)}, indent=1))
    if args.verdicts:
        args.verdicts.write_text("".join(f"{json.dumps(_row(answer))}\n" for answer in found), encoding="utf-8")


def _row(answer: Judged) -> dict[str, Any]:
    claims = [
        {
            "verdict": claim.verdict,
            "score": round(claim.score, 5),
            "places": [[place.start, place.end] for place in claim.places],
        }
        for claim in answer.checked
    ]
    return {"id": answer.name, "claims": claims}


if __name__ == "__main__":
    main()
