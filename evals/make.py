"""A question set from your own documents: a regression gate for search, citing and refusing.

Each question leaves a number, date or amount out of one of your sentences and asks for it. A question without an answer
names, instead of that sentence's rarest word, one that other documents use and its own never does: plausible, and held
by no document. A sentence that stands in several documents is asked about once, and not at all where they give it
different numbers. The sets are written like `data/handbook`, and two runs over the same documents, wherever they lie,
write the same file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from app.runtime import open_runtime
from core.errors import InvalidInput
from core.sentences import split_sentences
from core.words import STOPWORDS
from evals.answers import Material
from evals.home import throwaway_home
from evals.progress import require_folder
from evals.store import Store, fill_from_folders

logger = logging.getLogger(__name__)
FACT = re.compile(
    r"(?<![\w.,$€£-])(?:[$€£]\s?)?\d[\d,.]*\d?(?:\s?%|\s(?:percent|hours?|days?|weeks?|months?|years?|minutes?|miles?"
    r"|dollars|euros|million|billion))?(?![\w-])"
)
WORD = re.compile(r"[A-Za-z][A-Za-z'-]{3,}")
BLANK = "_____"
LENGTH = range(50, 260)  # characters of a usable sentence: shorter says nothing, longer asks several things
WORDS = 7


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence of a document and the part of it that a question asks for."""

    document: str
    title: str
    sentence: str
    start: int
    end: int
    also_in: tuple[str, ...] = ()
    """Other documents that hold the same sentence."""

    @property
    def answer(self) -> str:
        """The part asked for."""
        return self.sentence[self.start : self.end]

    @property
    def question(self) -> str:
        """The sentence with a blank, and where to look."""
        return f"According to “{self.title}”, what belongs in the blank: {self.blanked}"

    @property
    def blanked(self) -> str:
        """The sentence with a blank."""
        return f"{self.sentence[: self.start]}{BLANK}{self.sentence[self.end :]}"


def facts_of(document: str, title: str, text: str) -> Iterator[Fact]:
    """Yield the sentences of a text that hold exactly one number."""
    for start, end in split_sentences(text):
        sentence = text[start:end].strip()
        found = list(FACT.finditer(sentence))
        prose = "\n" not in sentence and "|" not in sentence and len(sentence.split()) >= WORDS
        if len(sentence) in LENGTH and len(found) == 1 and prose:
            yield Fact(document, title, sentence, *found[0].span())


def distinct(facts: Iterable[Fact]) -> list[Fact]:
    """Return each sentence once with all documents that hold it, and none that has another number elsewhere."""
    alike: dict[str, list[Fact]] = {}
    for fact in facts:
        alike.setdefault(fact.blanked, []).append(fact)
    return [
        replace(same[0], also_in=tuple(sorted({fact.document for fact in same} - {same[0].document})))
        for same in alike.values()
        if len({fact.answer for fact in same}) == 1
    ]


def choose(facts: Sequence[Fact], count: int, seed: int) -> list[Fact]:
    """Pick facts in an order that depends on their text and the seed alone, spread over documents."""
    ordered = sorted(facts, key=lambda f: hashlib.sha256(f"{seed}:{f.sentence}".encode()).digest())
    taken: Counter[str] = Counter()
    rounds = sorted(ordered, key=lambda f: (taken.update([f.document]), taken[f.document])[1])
    return rounds[:count]


def without_answer(fact: Fact, words: Counter[str], own: frozenset[str]) -> Fact | None:
    """Return the fact with its rarest word replaced by one its document never uses; `None` where there is none.

    Words that carry grammar are neither: with one of them in its place the sentence asks nothing.
    """
    rarest = min(
        (
            match
            for match in WORD.finditer(fact.sentence)
            if not fact.start <= match.start() < fact.end and match.group().lower() not in STOPWORDS
        ),
        key=lambda match: (words[match.group().lower()], match.start()),
        default=None,
    )
    others = sorted(word for word, seen in words.items() if word not in own | STOPWORDS and 1 < seen < 20)
    if rarest is None or not others:
        return None
    place = int.from_bytes(hashlib.sha256(fact.sentence.encode()).digest()[:4]) % len(others)
    other = others[place].capitalize() if rarest.group()[0].isupper() else others[place]
    sentence = fact.sentence[: rarest.start()] + other + fact.sentence[rarest.end() :]
    moved = len(sentence) - len(fact.sentence) if rarest.start() < fact.start else 0
    return Fact(fact.document, fact.title, sentence, fact.start + moved, fact.end + moved)


def rows_of(facts: Sequence[Fact], texts: dict[str, str], count: int, seed: int) -> list[dict[str, Any]]:
    """Return as many questions without an answer as with one, `count` in all where the documents hold enough."""
    vocabulary = {name: frozenset(word.lower() for word in WORD.findall(text)) for name, text in texts.items()}
    words = Counter(word for own in vocabulary.values() for word in own)
    chosen = choose(facts, count, seed)
    half = (len(chosen) + 1) // 2  # of what there is: a small corpus has fewer facts than are asked for
    answerable = [_row(fact, True) for fact in chosen[:half]]
    changed = (without_answer(fact, words, vocabulary[fact.document]) for fact in chosen[half:])
    return answerable + [_row(fact, False) for fact in changed if fact is not None]


def _row(fact: Fact, answerable: bool) -> dict[str, Any]:
    evidence = [{"doc": name, "text": fact.sentence} for name in (fact.document, *fact.also_in)] if answerable else []
    return {
        "id": hashlib.sha256(fact.question.encode()).hexdigest()[:12],
        "question": fact.question,
        "answers": [fact.answer] if answerable else [],
        "answerable": answerable,
        "doc": fact.document if answerable else None,
        "evidence": evidence,
        "source": "attest eval make",
    }


def make_set(material: Material, out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write a question set about the documents below folders, and return what it holds.

    Raises:
        InvalidInput: the documents hold no sentence to ask about.
    """
    require_folder(out)
    facts: list[Fact] = []
    texts: dict[str, str] = {}
    with throwaway_home() as settings, open_runtime(settings, follow=False) as runtime:
        store = fill_from_folders(
            material.folders, out, database=runtime.database, settings=settings, encoder=runtime.encoder
        )
        for source, identifier in sorted(store.ids.items()):
            text = store.text(identifier).text
            name = _name(source, material.folders, store)
            texts[name] = text
            facts += facts_of(name, Path(source).stem.replace("-", " ").replace("_", " "), text)
    rows = rows_of(distinct(facts), texts, count, seed)
    if not rows:
        raise InvalidInput("the documents hold no sentence with a number to ask about")
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    answerable = sum(row["answerable"] for row in rows)
    if answerable == len(rows):
        logger.warning("no question without an answer could be made: the documents share too few words, or facts")
    return {"questions": len(rows), "answerable": answerable, "documents": len(texts), "out": str(out)}


def _name(source: str, folders: Sequence[Path], store: Store) -> str:
    """Return a document's path below its folder, which still names it in a copy; whole where several end like it."""
    for folder in folders:
        above = folder.resolve() if folder.is_dir() else folder.resolve().parent
        if PurePath(source).is_relative_to(above):
            name = PurePath(source).relative_to(above).as_posix()
            return name if len(store.find(name)) == 1 else source
    return source
