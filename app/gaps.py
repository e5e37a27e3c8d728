"""What the documents are missing: questions that were refused, weakly supported or disliked, grouped by meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import String, cast, select

from app.audit import with_question
from app.runtime import Runtime
from core.db.models import AuditRow, Feedback
from core.db.session import Database
from core.stored_answers import GREETING, parsed
from core.types import Json

NEWEST = 5000
"""Answers looked at: months of a department's questions, and still a second's work."""
ALIKE = 0.55
"""Cosine from which two questions ask for the same thing, read off pairs of handbook questions by hand."""
WEAK = 0.75
"""A best claim below this support counts as weakly supported."""
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Gap:
    """One group of questions; `question` is the one nearest to all others."""

    question: str
    count: int
    why: dict[str, int]
    questions: tuple[str, ...]
    nearest: tuple[str, ...]
    """Titles of the documents that came closest, the most frequent first."""
    latest: str

    def to_json(self) -> Json:
        """Return the group for the wire."""
        return {
            "question": self.question,
            "count": self.count,
            "why": self.why,
            "questions": list(self.questions),
            "nearest": list(self.nearest),
            "latest": self.latest,
        }


@dataclass(frozen=True, slots=True)
class _Unmet:
    question: str
    why: str
    nearest: tuple[str, ...]
    at: str


def find_gaps(runtime: Runtime, *, limit: int = 20) -> list[Gap]:
    """Return the groups of questions the documents did not answer well, the largest first."""
    unmet = list(_unmet(runtime.database))
    if not unmet:
        return []
    vectors = runtime.encoder.encode([item.question for item in unmet], "query")
    groups = [_gap([unmet[i] for i in members], vectors[members]) for members in group(vectors)]
    return sorted(groups, key=lambda gap: (-gap.count, gap.question))[:limit]


def group(vectors: NDArray[np.float32]) -> list[list[int]]:
    """Return the rows of unit vectors in groups: each row joins the group whose mean is nearest, if near enough."""
    sums: list[NDArray[np.float32]] = []
    members: list[list[int]] = []
    for index, vector in enumerate(vectors):
        similar = [float(vector @ total / np.linalg.norm(total)) for total in sums]
        best = int(np.argmax(similar)) if similar else -1
        if best >= 0 and similar[best] >= ALIKE:
            sums[best] = sums[best] + vector
            members[best].append(index)
        else:
            sums.append(vector)
            members.append([index])
    return members


def _gap(items: Sequence[_Unmet], vectors: NDArray[np.float32]) -> Gap:
    central = int(np.argmax(vectors @ vectors.sum(axis=0)))
    titles = Counter(title for item in items for title in item.nearest)
    return Gap(
        question=items[central].question,
        count=len(items),
        why=dict(Counter(item.why for item in items)),
        questions=tuple(dict.fromkeys(item.question for item in items))[:SHOWN],
        nearest=tuple(title for title, _ in titles.most_common(3)),
        latest=max(item.at for item in items),
    )


def _unmet(database: Database) -> Iterator[_Unmet]:
    with database.read() as session:
        columns = (AuditRow.answer_id, AuditRow.question, cast(AuditRow.record, String), cast(AuditRow.content, String))
        rows = session.execute(select(*columns).order_by(AuditRow.seq.desc()).limit(NEWEST)).all()
        disliked = set(session.scalars(select(Feedback.answer_id).where(Feedback.rating < 0)))
    for answer_id, question, *texts in rows:
        record, content = map(parsed, texts)
        if not isinstance(record, dict) or record.get("kind", "answer") != "answer":
            continue  # one that somebody changed hides no other: it is for `attest audit verify` to tell
        asked = with_question(record, question)["question"]
        why = "disliked" if answer_id in disliked else _weakness(record)
        if asked is not None and why is not None:  # a forgotten question is no gap that anybody could name
            nearest = content.get("nearest", ()) if isinstance(content, dict) else ()
            yield _Unmet(asked, why, tuple(item["title"] for item in nearest), record["at"])


def _weakness(record: Json) -> str | None:
    if record["outcome"] == "refused":
        return str(record["reason"]) if record["reason"] != GREETING else None
    if record["outcome"] == "answered" and max((c["score"] for c in record["claims"]), default=0.0) < WEAK:
        return "weakly_supported"
    return None
