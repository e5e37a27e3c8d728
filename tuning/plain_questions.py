"""Questions over plain pages of organisations, for the reader: people ask in other words than a policy uses.

A reader trained on encyclopaedias trusts a passage that repeats the question, and doubts a curt rule that answers it.
The pages, what people ask of them, and what they ask in vain stand in `plain_work.toml`, `plain_other.toml` and the
files of `pages`, written for this project. A question is unanswerable over its page without the fact that answers it,
over another page, or where nothing on the page answers it. Those of `plain_held.toml`, twelve organisations, and the
files of `pages_held` are never trained on:

    python -m tuning.plain_questions --out FOLDER      # FOLDER/NAME/docs and FOLDER/NAME/questions.jsonl for each
    attest calibrate --docs FOLDER/NAME/docs --questions FOLDER/NAME/questions.jsonl --rows NAME.rows.jsonl --out SPARE
    python -m tuning.plain_questions --asked asked.jsonl      # for `python -m bench.rails ordinary --data asked.jsonl`
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuning.passages_data import Passage, WordSearch

HELD = "plain_held.toml"
FIRST = ("plain_work.toml", "plain_other.toml")
"""What the rails in force have learnt; with all the others harmful requests pass."""
_HERE = Path(__file__).parent
FILES = (*FIRST, *(f"pages/{one.name}" for one in sorted(_HERE.glob("pages/*.toml"))))
"""Of pages to train on."""
HELD_FILES = tuple(f"pages_held/{one.name}" for one in sorted(_HERE.glob("pages_held/*.toml")))
"""Of pages by the same hands that are never trained on."""
_LAYOUTS = (" ", " ", "\n", "\n\n", "\n- ", "\n* ")
"""What stands between two facts of a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page's title, its facts, and questions on its subject that it does not answer."""

    title: str
    facts: Sequence[Mapping[str, Any]]
    tempting: Sequence[str]
    store: str = ""
    """The organisation it belongs to, where several pages make one."""


def read_pages(path: Path) -> list[Page]:
    """Read a file of pages.

    Raises:
        ValueError: an answer does not stand in the fact it belongs to.
    """
    pages = [Page(**page) for page in tomllib.loads(path.read_text(encoding="utf-8"))["page"]]
    for page in pages:
        for fact in page.facts:
            if fact["answer"] not in fact["says"]:
                raise ValueError(f"{path.name}, {page.title}: {fact['answer']!r} is not in {fact['says']!r}")
    return pages


def pages_of(names: Sequence[str] = FILES) -> list[Page]:
    """Return the pages of some files, by default those to train on."""
    return [page for name in names for page in read_pages(_HERE / name)]


def questions_of(pages: Sequence[Page]) -> list[str]:
    """Return what people ask of the pages, in vain or not."""
    return [text for page in pages for text in (*(ask for fact in page.facts for ask in fact["asks"]), *page.tempting)]


def make_plain_rows(pages: Sequence[Page], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield rows for `tuning/train_reader.py`, about as many without an answer as with one.

    A fact also stands alone, without its page or the page's title, as a cell, a card or a short chunk does.
    """
    search = WordSearch([Passage(page.title, _laid_out(page, page.facts, " ")[0], page.title) for page in pages])
    for page in pages:
        for fact in page.facts:
            others = [one for one in page.facts if one is not fact]
            for question in fact["asks"]:
                yield _answered(page, question, fact, page.facts, chance)
                yield _answered(page, question, fact, _some(page.facts, fact, chance), chance)
                yield _unanswered(page, question, others, chance)
                if chance.random() < 0.4:
                    yield _answered(page, question, fact, [fact], chance, title=chance.random() < 0.3)
                if others and chance.random() < 0.2:
                    yield _unanswered(page, question, [chance.choice(others)], chance, title=chance.random() < 0.3)
                if chance.random() < 0.5:
                    found = [one.group for one in search.find(question, 3) if one.group != page.title]
                    far = next((one for one in pages if found and one.title == found[0]), None)
                    if far is not None:
                        yield _unanswered(far, question, far.facts, chance)
        for question in page.tempting:
            yield _unanswered(page, question, page.facts, chance)


def _some(
    facts: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], chance: random.Random
) -> list[Mapping[str, Any]]:
    return [fact for fact in facts if fact is wanted or chance.random() < 0.4]


def _laid_out(
    page: Page, facts: Sequence[Mapping[str, Any]], between: str, *, title: bool = True
) -> tuple[str, list[int]]:
    """Return the text of some of a page's facts, under its title or without it, and where each begins."""
    text, begins = f"{page.title}\n" if title else "", []
    for number, fact in enumerate(facts):
        text += between if number or (title and len(between) > 2) else ""
        begins.append(len(text))
        text += fact["says"]
    return text, begins


def _answered(
    page: Page,
    question: str,
    fact: Mapping[str, Any],
    facts: Sequence[Mapping[str, Any]],
    chance: random.Random,
    *,
    title: bool = True,
) -> dict[str, Any]:
    context, begins = _laid_out(page, facts, chance.choice(_LAYOUTS), title=title)
    begin = begins[next(at for at, one in enumerate(facts) if one is fact)]
    start = begin + fact["says"].index(fact["answer"])
    spans, support = [[start, start + len(fact["answer"])]], [[begin, begin + len(fact["says"])]]
    return {**_row(page, question, context), "spans": spans, "support": support, "answerable": 1}


def _unanswered(
    page: Page, question: str, facts: Sequence[Mapping[str, Any]], chance: random.Random, *, title: bool = True
) -> dict[str, Any]:
    context, _ = _laid_out(page, facts, chance.choice(_LAYOUTS), title=title)
    return {**_row(page, question, context), "spans": [], "support": [], "answerable": 0}


def _row(page: Page, question: str, context: str) -> dict[str, Any]:
    return {"question": question, "context": context, "group": f"plain {page.title}", "source": "plain"}


def write_stores(pages: Sequence[Page], out: Path) -> list[str]:
    """Write each organisation's pages as Markdown and its questions as JSON Lines; return their names."""
    stores = sorted({page.store for page in pages})
    for store in stores:
        folder = out / _file_name(store)
        (folder / "docs").mkdir(parents=True, exist_ok=True)
        mine = [page for page in pages if page.store == store]
        for page in mine:
            body = "\n\n".join(fact["says"] for fact in page.facts)
            (folder / "docs" / f"{_file_name(page.title)}.md").write_text(
                f"# {page.title}\n\n{body}\n", encoding="utf-8"
            )
        rows = [row for page in mine for row in _questions(page)]
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "questions.jsonl").write_text("".join(lines), encoding="utf-8")
    return [_file_name(store) for store in stores]


def _questions(page: Page) -> Iterator[dict[str, Any]]:
    doc, group = f"{_file_name(page.title)}.md", f"plain {page.store}"
    for fact in page.facts:
        evidence, found = [{"doc": doc, "text": fact["says"]}], [fact["answer"]]
        for question in fact["asks"]:
            row = {"question": question, "answerable": True, "answers": found, "must_contain": found, "doc": doc}
            yield {**row, "evidence": evidence, "group": group}
    for question in page.tempting:
        yield {"question": question, "answerable": False, "answers": [], "group": group}


def _file_name(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.casefold()).strip("-")


def main() -> None:
    """Write the held-out organisations as stores to ask, or what is asked of the other pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--asked", type=Path, help="write every question of `pages` and `pages_held` here, for rails")
    given = parser.parse_args()
    if given.out:
        print("\n".join(write_stores(read_pages(_HERE / HELD), given.out)))  # noqa: T201
    if given.asked:
        asked = questions_of(pages_of([name for name in (*FILES, *HELD_FILES) if name not in FIRST]))
        given.asked.write_text("".join(json.dumps({"text": text}) + "\n" for text in asked), encoding="utf-8")


if __name__ == "__main__":
    main()
