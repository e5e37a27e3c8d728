"""Questions over whole organisations' documents, in everyday words; a third only look as if they had an answer.

Written for this project: ten documents an organisation, neighbouring in subject, so that the wrong one tempts. A file
of `organisations` is one of them, its documents in Markdown, each followed by what people ask of it:

    # TITLE                     a document, up to the next title
    ?+ QUESTION | ANSWER        answered by it, in these very words, which stand there once
    ?- QUESTION                 answered by no document of the organisation, however much this one tempts
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.sentences import split_sentences
from core.words import content_words
from tuning.passages_data import Passage, WordSearch, written_row

SOURCE = "organisations"
FILES = tuple(sorted((Path(__file__).parent / "organisations").glob("*.txt")))
LONGEST = 1000
"""Characters of a passage, about as many as the product cuts; a table or a list is not cut."""
LONE = 0.2
"""Share of the questions that are also asked of one sentence alone, where no other words help or hinder."""
_MARKS = re.compile(r"\*\*|__|`")
_HEADING = re.compile(r"#{2,4} +")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the words that answer it, empty where nothing does."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document and what is asked of it."""

    title: str
    text: str
    asked: Sequence[Asked]

    def passages(self, organisation: str) -> list[Passage]:
        """Return the document cut at paragraphs; one that begins within a section has its heading above it."""
        found: list[Passage] = []
        text, above, section = "", self.title, ""
        for paragraph in filter(None, (part.strip() for part in re.split(r"\n\s*\n", self.text))):
            if text and len(text) + len(paragraph) > LONGEST:
                found.append(Passage(above, text, organisation))
                text, above = "", f"{self.title} › {section}" if section else self.title
            for line in paragraph.splitlines():
                if _HEADING.match(line):
                    section = _HEADING.sub("", line, count=1)
                    if not text:
                        above = f"{self.title} › {section}"
                        continue
                text += ("\n" if text else "") + _HEADING.sub("", line, count=1)
            text += "\n" if text else ""
        return [Passage(one.title, one.text.strip(), organisation) for one in [*found, Passage(above, text, "")]]


def read_organisation(path: Path) -> list[Document]:
    """Read the documents of a file.

    Raises:
        ValueError: text stands before the first title, or an answer does not stand once in its document.
    """
    found: list[Document] = []
    for part in re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        lines = [_MARKS.sub("", line) for line in body.splitlines()]
        text = "\n".join(line for line in lines if not line.startswith(("?+ ", "?- "))).strip()
        asked = [Asked(*line[3:].split(" | ", 1)) for line in lines if line.startswith("?+ ")]
        for one in asked:
            if text.count(one.answer) != 1:
                raise ValueError(f"{path.name}, {title}: {one.answer!r} stands there {text.count(one.answer)} times")
        asked += [Asked(line[3:], "") for line in lines if line.startswith("?- ")]
        found.append(Document(title.strip(), text, asked))
    return found


def make_organisation_rows(paths: Sequence[Path], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield rows for readers, about as many without an answer as with one; a group is an organisation.

    A question also comes with a passage of the organisation that looks right and is not, one with an answer also with
    its passage cut short; some come with a sentence alone.
    """
    for path in paths:
        documents = read_organisation(path)
        cut = [document.passages(path.stem) for document in documents]
        search = WordSearch([passage for passages in cut for passage in passages])
        for document, passages in zip(documents, cut, strict=True):
            for asked in document.asked:
                yield from _rows(asked, passages, search, chance)


def _rows(
    asked: Asked, passages: Sequence[Passage], search: WordSearch, chance: random.Random
) -> Iterator[dict[str, Any]]:
    found = search.find(asked.question, 4)
    if not asked.answer:
        tempting = [passage for passage in found if passage in passages] or list(passages)
        yield _row(asked.question, tempting[0], "", SOURCE)
        if chance.random() < LONE:
            yield _row(asked.question, _lone(tempting[0], chance, question=asked.question), "", SOURCE)
        others = [passage for passage in found if passage is not tempting[0]]
        if others and chance.random() < 0.5:
            yield _row(asked.question, others[0], "", "retrieved")
        return
    right = next((passage for passage in passages if asked.answer in passage.text), None)
    if right is None:  # it stands across two passages, or is a heading
        return
    yield _row(asked.question, right, asked.answer, SOURCE)
    if chance.random() < 0.3:
        yield _row(asked.question, _shortened(right, asked.answer, chance), asked.answer, SOURCE)
    if chance.random() < LONE:
        yield _row(asked.question, _lone(right, chance, answer=asked.answer), asked.answer, SOURCE)
    wrong = [passage for passage in found if asked.answer not in passage.text]
    if wrong and chance.random() < 0.6:
        yield _row(asked.question, wrong[0], "", "retrieved")


def _shortened(passage: Passage, answer: str, chance: random.Random) -> Passage:
    """Return some lines of a passage, the answer's among them."""
    lines = [line for line in passage.text.splitlines() if line.strip()]
    kept = [line for line in lines if answer in line or line.startswith("|") or chance.random() < 0.4]
    return Passage(passage.title, "\n".join(kept), passage.group)


def _lone(passage: Passage, chance: random.Random, *, question: str = "", answer: str = "") -> Passage:
    """Return the sentence that holds the answer, or shares most words with the question, half the time untitled."""
    sentences = [passage.text[slice(*span)] for span in split_sentences(passage.text)]
    wanted = content_words(question)
    best = max(sentences, key=lambda one: (answer in one, len(wanted & content_words(one))))
    text = best if answer in best else passage.text  # the answer runs over two sentences
    return Passage(passage.title if chance.random() < 0.5 else "", text, passage.group)


def _row(question: str, passage: Passage, answer: str, source: str) -> dict[str, Any]:
    return written_row(question, passage, answer, f"organisation {passage.group}", source)
