"""Training rows for an answering task: passages, a question, and the cited answer or the refusal wanted.

    python -m tuning.ptune_data --docs DOCS --questions QUESTIONS.jsonl --out FOLDER

A row holds its passages; the prompt is made of them by the functions that serve (`tuning.ptune_rows.messages_of`).
Rows are split by document, so that no article is both learnt and judged, and half of the rows of every part have no
answer in their passages: questions that never had one, and questions whose passage a poor search did not find.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core.errors import InvalidInput
from core.sentences import split_sentences
from generation.prompts import NOT_FOUND

SECTION = re.compile(r"<!--\s*(?:paragraph|section)\s+\w+\s*-->")
PASSAGE_COUNTS = (1, 2, 2, 3, 3, 3)  # mostly several passages, so that the marker has to be chosen
NEAR_SHARE = 0.7  # of the other passages, how many come from the same document: the hard ones
TEMPTING_SHARE = 0.7  # of the questions without an answer, how many see the passage that tempts to answer
MAX_PASSAGE_CHARACTERS = 900  # some 200 tokens, as chunks have
MAX_ANSWER_CHARACTERS = 160

Part = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its passage, and other passages of the same and of other documents."""

    id: str
    document: str
    question: str
    answers: tuple[str, ...]
    passage: str
    hidden: bool = False
    """Whether its passage is kept from the row."""


@dataclass(frozen=True, slots=True)
class Material:
    """What rows are made of: questions over passages, and rows that are already whole."""

    examples: Sequence[Example]
    passages: Mapping[str, Sequence[str]]
    rows: Sequence[dict[str, Any]] = ()


def build_rows(material: Material, seed: int) -> dict[Part, list[dict[str, Any]]]:
    """Return the rows of each part: messages, target, gold answers and the marker that is right."""
    found: dict[Part, list[Example]] = {"train": [], "dev": [], "test": []}
    names = {example.document for example in material.examples} | {row["document"] for row in material.rows}
    of = part_of(names, seed)
    seen: set[str] = set()
    whole: dict[Part, list[dict[str, Any]]] = {"train": [], "dev": [], "test": []}
    for row in material.rows:
        if _is_new(row["question"], seen):
            whole[of[row["document"]]].append(row)
    for example in material.examples:
        if _is_new(example.question, seen):
            found[of[example.document]].append(example)
    return {
        part: _mixed(whole[part], rows_of(kept, material.passages, f"{seed}:{part}"), f"{seed}:{part}")
        for part, kept in found.items()
    }


def _is_new(question: str, seen: set[str]) -> bool:
    """Whether a question was not seen yet, whatever its case and punctuation; notes it."""
    key = " ".join(re.findall(r"\w+", question.lower()))
    fresh = key not in seen
    seen.add(key)
    return fresh


def _mixed(whole: list[dict[str, Any]], made: list[dict[str, Any]], seed: str) -> list[dict[str, Any]]:
    """Return rows that were whole with those that were made; people's own rows are never dropped for balance."""
    return random.Random(seed).sample([*whole, *made], len(whole) + len(made)) if whole else made


def rows_of(examples: Sequence[Example], passages: Mapping[str, Sequence[str]], seed: str) -> list[dict[str, Any]]:
    """Make the rows of one part, half of them without an answer.

    Where questions without an answer are too few, questions with one are shown once more, without their passage.
    """
    rows = [_row(example, passages, random.Random(f"{seed}:{example.id}")) for example in examples]
    lacking = sum(row["answerable"] for row in rows) - sum(not row["answerable"] for row in rows)
    hidden = [replace(example, id=f"{example.id}-hidden", hidden=True) for example in examples if example.answers]
    chosen = random.Random(f"{seed}:hidden").sample(hidden, min(len(hidden), max(0, lacking)))
    rows += [_row(example, passages, random.Random(f"{seed}:{example.id}")) for example in chosen]
    return _balanced([row for row in rows if row["passages"]], random.Random(seed))


def part_of(documents: Iterable[str], seed: int) -> dict[str, Part]:
    """Deal documents into test (a quarter), dev (an eighth) and train, by a hash of their name."""
    ordered = sorted(documents, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    tests, devs = max(1, len(ordered) // 4), max(1, len(ordered) // 8)
    if len(ordered) < tests + devs + 1:
        raise InvalidInput("at least three documents are needed to learn, choose and judge on different ones")
    return {
        name: "test" if place < tests else "dev" if place < tests + devs else "train"
        for place, name in enumerate(ordered)
    }


def _row(example: Example, passages: Mapping[str, Sequence[str]], rng: random.Random) -> dict[str, Any]:
    """Make one row; some questions without an answer are shown passages from elsewhere only, as a poor search does."""
    answerable = bool(example.answers) and not example.hidden
    tempting = not example.answers and rng.random() < TEMPTING_SHARE
    shown = [(example.document, example.passage)] if answerable or tempting else []
    count = rng.choice(PASSAGE_COUNTS)
    shown += _distractors(example, passages, max(count - len(shown), 1 - len(shown)), rng)
    rng.shuffle(shown)
    marker = next((place for place, item in enumerate(shown, 1) if item[1] == example.passage), None)
    return {
        "id": example.id,
        "document": example.document,
        "question": example.question,
        "passages": [{"title": Path(name).stem.replace("_", " "), "text": text} for name, text in shown],
        "target": f"{_answer(example)} [{marker}]" if answerable else NOT_FOUND,
        "answers": list(example.answers) if answerable else [],
        "marker": marker if answerable else None,
        "answerable": answerable,
        "kind": "answerable" if answerable else "tempting" if tempting else "elsewhere",
    }


def _answer(example: Example) -> str:
    answer = min(example.answers, key=len).strip()
    return answer[0].upper() + answer[1:]


def _distractors(
    example: Example, passages: Mapping[str, Sequence[str]], count: int, rng: random.Random
) -> list[tuple[str, str]]:
    """Pick other passages, most of the same document, none of which holds an answer."""
    wanted = [answer.lower() for answer in example.answers]

    def usable(texts: Sequence[str]) -> list[str]:
        return [text for text in texts if text != example.passage and not any(w in text.lower() for w in wanted)]

    near = [(example.document, text) for text in usable(passages[example.document])]
    others = rng.sample(sorted(passages), min(8, len(passages)))
    far = [(name, text) for name in others if name != example.document for text in usable(passages[name])[:20]]
    rng.shuffle(near)
    rng.shuffle(far)
    picks = [near if rng.random() < NEAR_SHARE else far for _ in range(count)]
    return [(pick or near or far).pop() for pick in picks if near or far]


def _balanced(rows: list[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    """Shuffle, and drop rows of the larger kind until half of them can be answered."""
    rng.shuffle(rows)
    kinds = {kind: [row for row in rows if row["answerable"] is kind] for kind in (True, False)}
    size = min(len(kinds[True]), len(kinds[False]))
    kept = kinds[True][:size] + kinds[False][:size]
    rng.shuffle(kept)
    return kept


def read_examples(questions: Path, docs: Path) -> tuple[list[Example], dict[str, list[str]]]:
    """Read questions with evidence, and every passage of the documents it is from.

    Raises:
        InvalidInput: a line is no question, a document is no text, or none of the documents is in the folder.
    """
    passages: dict[str, list[str]] = {}
    examples = []
    for number, line in enumerate(questions.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            evidence: dict[str, Any] = next(iter(row.get("evidence") or []), {})
            if not evidence.get("text"):  # nothing says where an answer would be; hidden answers teach refusing
                continue
            if evidence["doc"] not in passages:
                passages[evidence["doc"]] = _passages(docs / evidence["doc"])
            example = _example(row, evidence, passages[evidence["doc"]])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{questions}, line {number}: no question with evidence ({error!r})") from error
        if example is not None:
            examples.append(example)
    if passages and not any(passages.values()):
        raise InvalidInput(
            f"{docs} holds none of the documents that the questions name, such as {next(iter(passages))}"
        )
    return examples, {document: texts for document, texts in passages.items() if texts}


def _example(row: Mapping[str, Any], evidence: Mapping[str, Any], passages: Sequence[str]) -> Example | None:
    """Return a question with the passage of its evidence; `None` where that passage does not hold an answer."""
    text = str(evidence["text"]).strip()[:MAX_PASSAGE_CHARACTERS]
    passage = text if text in passages else next((one for one in passages if text in one), text)
    told = [str(answer) for answer in row.get("answers") or []]
    answers = tuple(answer for answer in told if len(answer) <= MAX_ANSWER_CHARACTERS and answer in passage)
    answerable = row.get("answerable", bool(told))
    if answerable and not answers:
        return None
    return Example(str(row["id"]), evidence["doc"], row["question"], answers if answerable else (), passage)


def _passages(path: Path) -> list[str]:
    """Return the passages of a text: its marked sections, otherwise as many sentences together as one may hold."""
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no text: ingest it, and give --written or --liked instead of --docs") from error
    cut = SECTION.split(text)[1:] or _packed(text)
    return [kept for kept in (part.strip()[:MAX_PASSAGE_CHARACTERS] for part in cut) if kept]


def _packed(text: str) -> list[str]:
    made: list[str] = []
    first = 0
    spans = split_sentences(text)
    for (_, end), following in zip(spans, [*spans[1:], None], strict=True):
        if following is None or following[1] - first > MAX_PASSAGE_CHARACTERS:
            made.append(text[first:end])
            first = end
    return made


def describe(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say what a part holds."""
    passages = Counter(str(len(row["passages"])) for row in rows)
    return {
        "rows": len(rows),
        "answerable": sum(row["answerable"] for row in rows),
        "kinds": dict(sorted(Counter(row["kind"] for row in rows).items())),
        "documents": len({row["document"] for row in rows}),
        "passages": dict(sorted(passages.items())),
    }


def read_material(docs: Path, questions: Path) -> Material:
    """Read a file of questions with the documents they are about."""
    examples, passages = read_examples(questions, docs)
    return Material([example for example in examples if example.document in passages], passages)


def write_parts(material: Material, out: Path, seed: int = 0) -> dict[str, Any]:
    """Write train.jsonl, dev.jsonl and test.jsonl, and return what each holds."""
    parts = build_rows(material, seed)
    out.mkdir(parents=True, exist_ok=True)
    for part, rows in parts.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (out / f"{part}.jsonl").write_text(lines, encoding="utf-8")
    return {part: describe(rows) for part, rows in parts.items()}


def main() -> None:
    """Write the rows by the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report = write_parts(read_material(options.docs, options.questions), options.out, options.seed)
    print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
