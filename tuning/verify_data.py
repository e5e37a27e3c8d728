"""Claims beside evidence, supported or not, for the `groundedness` adapter.

Run: python -m tuning.verify_data --data DATA --out FOLDER

Labelled rows: BEGIN (CC BY 4.0, CDLA-Sharing 1.0) and MTRAG's human ratings (Apache-2.0). FaithBench (non-commercial)
and QAGS (no licence) are measured on and never trained on. Built rows, `train_only`: sentences of squad2, clapnq,
MTRAG and the 18F handbook, as they stand, shortened, or changed until they are false.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.sentences import split_sentences
from core.words import coverage
from tuning.passages_data import (
    Labelled,
    Passage,
    WordSearch,
    clapnq_passages,
    distractor_passages,
    read_clapnq,
    read_rows,
    read_squad,
    write_rows,
)
from tuning.perturb import fuse, graft, make_false, names_of, numbers_of

TRAINED_ON = ("begin-wow", "begin-cmu", "begin-tc", "mtrag-human")
WHOLE = "#whole"
"""Ends the id of an answer that is judged at once, to compare with its sentences."""
JUDGED = 3000
"""Built claims that are judged by the fold that did not see them, for the threshold in long contexts."""
SOURCE_TEXTS = 1600
"""Passages of distractors whose sentences are changed: about as many rows as the labelled sets together have."""
_ASIDE = re.compile(r"\s*\([^()]{2,80}\)")
_OPENING = re.compile(r"^(?:[A-Z][^,.;]{3,40}), (?=[a-z])")
_SUBJECT = re.compile(
    r"^(?:who|what|which (?:\w+ ){1,2})\s*(?=(?:was|is|were|are|has|had|can|could|will|would|\w+(?:ed|s))\b)", re.I
)


def build(data: Path, out: Path) -> dict[str, int]:
    """Write rows that train, and the sentences of every labelled answer to judge; return how many each file has."""
    chance = random.Random(20261124)
    train = training_rows(data, chance)
    built = [row for row in train if row["kind"] not in TRAINED_ON]
    chance.shuffle(train)
    return {
        "train": write_rows(out / "groundedness.train.jsonl", train),
        "judge": write_rows(out / "groundedness.judge.jsonl", [*_sentences(data), *_judged(built, chance)]),
    }


def training_rows(data: Path, chance: random.Random) -> list[dict[str, Any]]:
    """Return the labelled answers, their sentences whose label is known, and the built rows, which only train."""
    built = [
        *_sentence_rows(data, chance),
        *_summary_rows(data, chance),
        *_question_rows(read_squad(data), chance),
        *_long_answers(read_clapnq(data), list(clapnq_passages(data).values()), chance),
        *_conversation_answers(data, chance),
    ]
    return [*_labelled(data), *({**row, "train_only": True} for row in built)]


def _judged(built: Sequence[dict[str, Any]], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield some of the built claims, whose contexts are as long as what serving shows."""
    for number, row in enumerate(chance.sample(built, min(JUDGED, len(built)))):
        yield {**row, "kind": f"built:{row['kind']}", "id": f"built-{number}", "train_only": False}


def _sentences(data: Path) -> Iterator[dict[str, Any]]:
    """Yield each labelled answer whole, and every sentence of it under the answer's label."""
    for row in read_rows(data / "guardrails/groundedness.dev.jsonl"):
        if row["grounded"] is not None:
            answer, context = row["answer"].strip(), row["context"].strip()
            made = {"group": row["group"], "kind": row["source"], "id": row["id"]}
            yield pair(answer, context, row["grounded"], {**made, "id": f"{row['id']}{WHOLE}"})
            for start, end in split_sentences(answer) or [(0, len(answer))]:
                yield pair(answer[start:end], context, row["grounded"], made)


def _labelled(data: Path) -> Iterator[dict[str, Any]]:
    """Yield each answer to train on, whole and, where it is several sentences, those whose label is known."""
    for row in read_rows(data / "guardrails/groundedness.dev.jsonl"):
        if row["grounded"] is None or row["source"] not in TRAINED_ON:
            continue
        answer, context = row["answer"].strip(), row["context"].strip()
        made = {"group": row["group"], "kind": row["source"], "id": row["id"], "weight": 1.0}
        yield pair(answer, context, row["grounded"], {**made, "form": "whole"})
        sentences = [answer[a:b] for a, b in split_sentences(answer)]
        if len(sentences) < 2:
            continue
        if not row["grounded"]:
            sentences = [min(sentences, key=lambda text: coverage(text, context))]
        for text in sentences:
            yield {
                **pair(text, context, row["grounded"], {**made, "id": "", "form": "sentence", "weight": 0.5}),
                "train_only": True,
            }


def _sentence_rows(data: Path, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield sentences of passages: as they stand or shortened, made false, and with their passage robbed of them."""
    passages = chance.sample(distractor_passages(data, 8), SOURCE_TEXTS) + _handbook(data)
    for passage in passages:
        text = passage.text
        spans = [span for span in split_sentences(text) if 6 <= len(text[slice(*span)].split()) <= 45]
        if not spans:
            continue
        start, end = chance.choice(spans)
        claim = _shortened(text[start:end], chance)
        made = {"group": passage.group, "kind": "sentence", "weight": 0.5}
        yield pair(claim, text, True, made)
        false = make_false(claim, chance, text)
        if false:
            yield pair(false, text, False, {**made, "weight": 0.7})
        rest = (text[:start] + text[end:]).strip()
        if len(rest) > 200 and coverage(claim, rest) < 0.7 and chance.random() < 0.4:
            yield pair(claim, rest, False, made)


def _summary_rows(data: Path, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield what summaries of longer texts say: shortened sentences, and two sentences wrongly made into one.

    The context is up to three paragraphs, so that the support has to be found; a third is written without capitals,
    as summaries of news often are.
    """
    by_article: dict[str, list[str]] = {}
    for passage in distractor_passages(data, 9):
        by_article.setdefault(passage.group, []).append(passage.text)
    for group, texts in by_article.items():
        for begin in range(0, len(texts), 3):
            context = "\n".join(texts[begin : begin + 3])
            told = [context[a:b] for a, b in split_sentences(context) if 7 <= len(context[a:b].split()) <= 40]
            for claim, true in _summaries(told, context, chance):
                small = chance.random() < 0.33
                made = {"group": group, "kind": "summary", "weight": 0.6}
                yield pair(claim.lower().capitalize() if small else claim, context, true, made)


def _summaries(told: Sequence[str], context: str, chance: random.Random) -> Iterator[tuple[str, bool]]:
    """Yield up to three true and two false sentences about a text."""
    if len(told) < 4:
        return
    one, two, three, four = chance.sample(list(told), 4)
    yield _shortened(one, chance), True
    yield _shortened(two, chance), True
    if len(one) + len(three) < 260 and chance.random() < 0.5:
        yield f"{one.rstrip('.')}, and {three[:1].lower()}{three[1:]}", True
    false = [fuse(one, three), fuse(two, four), graft(three, four, chance), make_false(four, chance, context)]
    found = [text for text in false if text and text not in context]
    for text in chance.sample(found, min(2, len(found))):
        yield _shortened(text, chance), False


def _question_rows(labelled: Sequence[Labelled], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield questions with their answers as claims: right ones, tempting wrong ones, and other spans of the passage."""
    for item in labelled:
        made = {"group": item.passage.group, "kind": "question", "weight": 0.5}
        text = item.passage.text
        if not item.answerable:
            for wrong in item.wrong[:1]:
                yield pair(declared(item.question, wrong), text, False, {**made, "weight": 0.7})
            continue
        answer = item.answers[0]
        yield pair(declared(item.question, answer), text, True, {**made, "weight": 0.7})
        pool = other_answers(answer, text)
        if pool:
            yield pair(declared(item.question, chance.choice(pool)), text, False, made)


def _long_answers(
    labelled: Sequence[Labelled], corpus: Sequence[Passage], chance: random.Random
) -> Iterator[dict[str, Any]]:
    search = WordSearch(corpus)
    for item in labelled:
        for answer in item.answers[:1]:
            others = [passage.text for passage in search.find(item.question, 3) if passage.text != item.passage.text]
            yield from _answer_rows(
                answer, item.passage.text, others, {"group": item.passage.group, "kind": "clapnq"}, chance
            )


def _conversation_answers(data: Path, chance: random.Random) -> Iterator[dict[str, Any]]:
    corpus = {row["_id"]: row["text"] for row in read_rows(data / "multihop/mtrag/corpus.jsonl")}
    search = WordSearch([Passage("", text, "") for text in corpus.values()])
    for row in read_rows(data / "multihop/mtrag/conversations.dev.jsonl"):
        evidence = [corpus[key] for key in row.get("docs") or () if key in corpus]
        if row["answerability"] != "ANSWERABLE" or not evidence:
            continue
        answer = row["answers"][0].strip()
        others = [found.text for found in search.find(answer, 5) if found.text not in evidence]
        group = f"mtrag {row['conversation_id']}"
        yield from _answer_rows(answer, "\n\n".join(evidence[:3]), others, {"group": group, "kind": "mtrag"}, chance)


def _answer_rows(
    answer: str, evidence: str, others: Sequence[str], made: dict[str, Any], chance: random.Random
) -> Iterator[dict[str, Any]]:
    """Yield the sentences of a written answer against its evidence, made false, and against other passages."""
    for start, end in split_sentences(answer):
        claim = answer[start:end]
        if len(claim.split()) < 4 or coverage(claim, evidence) < 0.35:
            continue
        yield pair(claim, evidence, True, {**made, "weight": 1.0})
        false = make_false(claim, chance, evidence)
        if false:
            yield pair(false, evidence, False, {**made, "weight": 0.7})
        foreign = [text for text in others if coverage(claim, text) < 0.6]
        if foreign and chance.random() < 0.5:
            yield pair(claim, foreign[0], False, {**made, "weight": 0.7})


def _handbook(data: Path) -> list[Passage]:
    """Return the sections of the handbook pages that are free to use."""
    found = []
    for path in sorted((data / "handbook/18f/md").rglob("*.md")):
        parts = re.split(r"\n(?=#+ )", path.read_text(encoding="utf-8"))
        found += [Passage(path.stem, part.strip()[:1400], path.stem) for part in parts if len(part) > 300]
    return found[::2]


def _shortened(sentence: str, chance: random.Random) -> str:
    """Return the sentence, in half of the cases without an aside or its opening phrase."""
    text = re.sub(r"\s+", " ", sentence)
    if chance.random() < 0.5:
        text = _ASIDE.sub("", text, count=1)
        short = _OPENING.sub("", text).strip()
        text = short[:1].upper() + short[1:]
    return text.strip() or sentence


def other_answers(answer: str, text: str) -> list[str]:
    """Return the names, or the numbers, of a text that are not the answer."""
    others = numbers_of(text) if re.fullmatch(r"[\d,.\s%]+", answer) else names_of(text)
    return [other for other in others if not set(other.casefold().split()) & set(answer.casefold().split())]


def declared(question: str, answer: str) -> str:
    """Return question and answer as a statement where that is one replacement, side by side where not."""
    asked = question.strip().rstrip("?").strip()
    stated, count = _SUBJECT.subn(f"{answer} ", asked, count=1)
    return f"{stated}." if count else f"{asked}? {answer}."


def pair(claim: str, evidence: str, supported: bool, made: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the classifier."""
    return {"a": claim, "b": evidence, "label": int(supported), **made}


def main() -> None:
    """Build the two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(build(arguments.data, arguments.out))  # noqa: T201


if __name__ == "__main__":
    main()
