"""Labelled questions over passages as the evaluation files hold them, and a word search to mine hard negatives."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.sentences import split_sentences
from core.words import content_words

HELD_OUT = 5
"""One group in five is held out, chosen by its hash, so that a rebuilt set keeps its split."""
HELD_QUESTIONS = 6
"""Of the other groups, one question in six is held out: what a store whose articles were trained on may expect."""
_PARAGRAPH = re.compile(r"<!-- (?:paragraph|section) (\d+) -->\s*")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage with the group its split goes by."""

    title: str
    text: str
    group: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question over its passage: answer spans, supporting spans, or neither where it has no answer."""

    question: str
    passage: Passage
    answerable: bool
    source: str
    spans: tuple[Span, ...] | None = ()
    support: tuple[Span, ...] | None = ()
    answers: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    """Tempting answers that are wrong."""
    document: str = field(default="")


def held_out(group: str) -> bool:
    """Whether a group belongs to the test split."""
    return hashed(group) % HELD_OUT == 0


def held_by(group: str, question: str) -> str | None:
    """Return how a question is held out: with its `group`, by itself (`question`), or not at all."""
    if held_out(group):
        return "group"
    return "question" if hashed(question) % HELD_QUESTIONS == 0 else None


def split_of(group: str, question: str) -> dict[str, Any]:
    """Return both splits of a question: `held` by its group or itself, `apart` by itself alone, its article known."""
    return {"held": held_by(group, question), "apart": hashed(question) % HELD_QUESTIONS == 0}


def hashed(text: str) -> int:
    """Return a number that is the same in every process."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_squad(data: Path) -> list[Labelled]:
    """Read squad2 and the English part of XQuAD; a group is an article."""
    rows = read_rows(data / "squad2/questions.dev.jsonl")
    rows += [row for row in read_rows(data / "squad2/xquad_questions.dev.jsonl") if row["lang"] == "en"]
    texts: dict[str, dict[str, str]] = {}
    found = []
    for row in rows:
        name = row["doc"]
        folder = data / "squad2" / ("xquad_docs/en" if name.startswith("xquad/") else "docs")
        path = folder / Path(name).name
        sections = texts.setdefault(str(path), _sections(path))
        text = sections.get(row["section"].split()[-1])
        if text is None:
            continue
        group = path.stem.casefold()
        passage = Passage(path.stem.replace("_", " "), text, group)
        support, spans = locate(text, row["answers"], row["question"])
        if row["answerable"] and not spans:
            continue
        wrong = tuple(row.get("plausible_answers") or ())
        found.append(
            Labelled(
                row["question"], passage, row["answerable"], "squad", spans, support, tuple(row["answers"]), wrong, name
            )
        )
    return found


def squad_passages(data: Path) -> list[Passage]:
    """Return every paragraph of the squad2 articles."""
    paths = sorted((data / "squad2/docs").glob("*.md"))
    return [
        Passage(path.stem.replace("_", " "), text, path.stem.casefold())
        for path in paths
        for text in _sections(path).values()
    ]


def distractor_passages(data: Path, per_article: int) -> list[Passage]:
    """Return the first paragraphs of the articles that have no questions."""
    found = []
    for path in sorted((data / "squad2/distractors").glob("*.txt")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if 200 < len(line) < 1800]
        found += [Passage(path.stem.replace("_", " "), line, path.stem.casefold()) for line in lines[:per_article]]
    return found


def read_clapnq(data: Path) -> list[Labelled]:
    """Read clapnq; the supporting sentences are known, exact answers are not."""
    corpus = clapnq_passages(data)
    found = []
    for row in read_rows(data / "multihop/clapnq/questions.dev.jsonl"):
        passage = corpus[row["docs"][0]]
        support = []
        for sentence in row["evidence"][0].get("selected_sentences") or ():
            at = passage.text.find(sentence.strip())
            if at >= 0 and sentence.strip():
                support.append((at, at + len(sentence.strip())))
        if row["answerable"] and not support:
            continue
        spans = None if row["answerable"] else ()
        found.append(
            Labelled(
                row["question"], passage, row["answerable"], "clapnq", spans, tuple(support), tuple(row["answers"])
            )
        )
    return found


def clapnq_passages(data: Path) -> dict[str, Passage]:
    """Return the clapnq corpus by id; a group is an article."""
    return {
        row["_id"]: Passage(row["title"], row["text"], f"clapnq {row['title'] or row['_id']}".casefold())
        for row in read_rows(data / "multihop/clapnq/corpus.jsonl")
    }


class WordSearch:
    """A TF-IDF search over passages, good enough to find the ones that look right and are not."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)
        self._bags = [content_words(f"{passage.title} {passage.text}") for passage in self.passages]
        self._places: dict[str, list[int]] = {}
        for index, bag in enumerate(self._bags):
            for word in bag:
                self._places.setdefault(word, []).append(index)

    def find(self, text: str, k: int) -> list[Passage]:
        """Return the k passages that share the rarest words with a text."""
        scores = np.zeros(len(self.passages))
        for word in content_words(text):
            places = self._places.get(word, ())
            if places:
                scores[list(places)] += np.log(1 + len(self.passages) / len(places))
        scores /= np.sqrt([20 + len(bag) for bag in self._bags])
        return [self.passages[index] for index in np.argsort(-scores)[:k] if scores[index] > 0]


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write JSON Lines; return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def sentence_around(text: str, start: int) -> Span:
    """Return the sentence that holds a character."""
    return next((span for span in split_sentences(text) if span[0] <= start < span[1]), (start, start + 1))


def lone_sentence(item: Labelled) -> tuple[Labelled, str] | None:
    """Return a question over the one sentence that holds its answer, or the words that tempt, and that sentence.

    `None` where neither is known.
    """
    text = item.passage.text
    if item.answerable:
        start = item.spans[0][0] if item.spans else -1
    else:
        start = text.find(item.wrong[0]) if item.wrong else -1
    if start < 0:
        return None
    begin, end = sentence_around(text, start)
    spans = tuple((first - begin, last - begin) for first, last in item.spans or () if begin <= first and last <= end)
    if item.answerable and not spans:
        return None
    return replace(item, spans=spans, support=((0, end - begin),) if spans else ()), text[begin:end]


def written_row(question: str, passage: Passage, answer: str, group: str, source: str) -> dict[str, Any]:
    """Return a row for readers of a question written over a passage, pointing at the words that answer it, if any do.

    Groups are held out whole, and no question of the others.
    """
    context = f"{passage.title}\n{passage.text}" if passage.title else passage.text
    start = context.index(answer, len(passage.title)) if answer else 0
    split = split_of(group, question)
    if split["held"] == "question":
        split["held"] = None
    return {
        "question": question,
        "context": context,
        "spans": [[start, start + len(answer)]] if answer else [],
        "support": [list(sentence_around(context, start))] if answer else [],
        "answerable": int(bool(answer)),
        "group": group,
        "source": source,
        **split,
    }


def _sections(path: Path) -> dict[str, str]:
    parts = _PARAGRAPH.split(path.read_text(encoding="utf-8"))
    return {number: text.strip() for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def locate(text: str, answers: Sequence[str], question: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return the sentence most like the question among those holding an answer, and the answers in it."""
    wanted = content_words(question)
    places: list[tuple[int, Span, Span]] = []
    for answer in dict.fromkeys(answers):
        for match in re.finditer(re.escape(answer), text) if answer else _nothing():
            sentence = sentence_around(text, match.start())
            places.append((len(wanted & content_words(text[slice(*sentence)])), sentence, match.span()))
    if not places:
        return (), ()
    best = max(places)[1]
    return (best,), tuple(sorted({span for _, sentence, span in places if sentence == best}))


def _nothing() -> Iterator[re.Match[str]]:
    return iter(())
