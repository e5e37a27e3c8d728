"""Questions that the documents of a home answer, made of their own sentences: what `bench.gpu.serving` asks.

    python -m bench.gpu.questions --home HOME --count 1500 --out questions.jsonl

"To change your title, …" is asked for as "How do I change your title?", "Supervisors must approve …" as "What must
supervisors do?". A question stays where its evidence passes the reader: one that is refused before the draft says
nothing about a model server. Runs without a GPU and without a model; the same home gives the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from app.runtime import Runtime, open_runtime
from core.db.models import ChunkRow
from core.sentences import split_sentences
from core.settings import load_settings
from core.types import OPERATOR, Query
from generation.evidence import select_evidence

LENGTH = range(40, 300)  # characters of a usable sentence
_GOAL = re.compile(r"(?:In order )?[Tt]o ((?!be\b)[a-z][^,.;:\[\]()*|]{8,70}), ")
_CASE = re.compile(r"(If|When) ((?!this\b|that\b|it\b|they\b)[a-z’' ][^,.;:\[\]()*|]{8,70}), ")
_DUTY = re.compile(r"(?:(?:The|A|An|All|Each|Every) )?([A-Za-z][A-Za-z0-9’' -]{2,45}) (must|should|can|may|will) [a-z]")
_KIND = re.compile(r"(?:(?:The|A|An) )?([A-Za-z][A-Za-z0-9’' -]{2,45}) (is|are) (?:a|an|the|used|for|available|paid)\b")
_NO_NAME = re.compile(
    r"\b(?:it|they|this|that|these|those|there|here|he|she|you|your|we|our|i|which|what|who|if|when|to|and|but|or|as|no|not"
    r"|one|some|any|is|are)\b",
    re.IGNORECASE,
)
"""A subject with one of these words is a clause, or names nothing by itself."""


def question_of(sentence: str) -> str | None:
    """Return the question that a sentence answers; `None` where its form says none."""
    if match := _GOAL.match(sentence):
        return f"How do I {match[1]}?"
    if match := _CASE.match(sentence):
        return f"What should I know {match[1].lower()} {match[2]}?"
    if (match := _DUTY.match(sentence)) and not _NO_NAME.search(match[1]):
        return f"What {match[2]} {match[1][0].lower() + match[1][1:]} do?"
    if (match := _KIND.match(sentence)) and not _NO_NAME.search(match[1]):
        return f"What {match[2]} {match[1]}?"
    return None


def candidates(runtime: Runtime) -> list[str]:
    """Return the questions that the documents' sentences have the form for, in an order that depends on them alone."""
    with runtime.database.read() as session:
        texts = session.scalars(select(ChunkRow.text).order_by(ChunkRow.id)).all()
    found = {
        question
        for text in texts
        for start, end in split_sentences(text)
        if end - start in LENGTH and (question := question_of(" ".join(text[start:end].split())))
    }
    return sorted(found, key=lambda question: hashlib.sha256(question.encode()).digest())


def answerable(runtime: Runtime, questions: list[str]) -> Iterator[str]:
    """Yield the questions whose evidence may hold an answer, as the pipeline judges before it drafts."""
    for question in questions:
        retrieval = runtime.retriever.retrieve(Query(question), OPERATOR)
        evidence = select_evidence(retrieval, runtime.settings)
        if runtime.answerability.reason(question, evidence) is None:
            yield question


def main() -> None:
    """Write the questions, each as soon as it is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with open_runtime(load_settings(options.home), follow=False) as runtime, options.out.open("w") as out:
        asked = candidates(runtime)
        kept = 0
        for question in answerable(runtime, asked):
            out.write(json.dumps({"question": question}, ensure_ascii=False) + "\n")
            out.flush()
            kept += 1
            if kept == options.count:
                break
    print(json.dumps({"candidates": len(asked), "questions": kept, "out": str(options.out)}))


if __name__ == "__main__":
    main()
