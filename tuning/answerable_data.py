"""Questions with and without answers, for the reader that refuses and points at the answer.

Run: python -m bench.filing_passages --data DATA --out filings.jsonl
     python -m tuning.answerable_data --data DATA --filings filings.jsonl --out FOLDER

Sources: squad2 and the English XQuAD (CC BY-SA 4.0), clapnq and MTRAG (Apache-2.0). Negatives: the questions that
have no answer, retrieved passages that look right, and questions changed until their passage no longer answers. Tables
of figures and questions over them are made up (`tuning/table_questions.py`), plain pages of organisations are written
for this project (`tuning/plain_questions.py`), and so are whole organisations' documents
(`tuning/organisation_questions.py`), conversations about sites (`tuning/talk_questions.py`), lone facts
(`tuning/fact_questions.py`) and questions over further articles and over company filings
(`tuning/article_questions.py`, `tuning/filing_questions.py`).
Whole articles and conversations are held out, and of the others one question in six.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.types import OPERATOR, Message, Question
from generation.rewrite import heard, rewrite
from tuning.article_questions import SOURCE as ARTICLES
from tuning.article_questions import read_article_questions
from tuning.fact_questions import FILES as FACT_FILES
from tuning.fact_questions import SOURCE as FACTS
from tuning.fact_questions import make_fact_rows
from tuning.filing_questions import SOURCE as FILINGS
from tuning.filing_questions import read_filing_questions
from tuning.organisation_questions import FILES as ORGANISATION_FILES
from tuning.organisation_questions import SOURCE as ORGANISATIONS
from tuning.organisation_questions import make_organisation_rows
from tuning.passages_data import (
    Labelled,
    Passage,
    Span,
    WordSearch,
    clapnq_passages,
    distractor_passages,
    held_out,
    lone_sentence,
    read_clapnq,
    read_rows,
    read_squad,
    split_of,
    squad_passages,
    write_rows,
)
from tuning.perturb import make_false
from tuning.plain_questions import HELD, HELD_FILES, make_plain_rows, pages_of
from tuning.table_questions import make_rows
from tuning.talk_questions import FILES as TALK_FILES
from tuning.talk_questions import SOURCE as TALKS
from tuning.talk_questions import make_talk_rows

PARAGRAPHS = 12
"""Of each article without questions: some 5,000 passages to write questions over."""
TABLES = 3000
"""Questions over made-up tables: as many as there are real questions over articles."""
PLAIN = {"plain": 8780, "retrieved": 300, "table": 120, "squad": 375, "changed": 110, "mtrag": 85, "clapnq": 30}
"""Rows of each source to learn plain pages from; those of pages come twice, the others keep what was learnt."""
BALANCED = {"plain": 1900, "retrieved": 150, "table": 60, "squad": 1500, "changed": 450, "mtrag": 150, "clapnq": 60}
"""Rows of each source to go on with after that: questions made to tempt are what is forgotten first."""
TIMES = {"squad": 2, "mtrag": 3, "clapnq": 4, ORGANISATIONS: 2, FILINGS: 2, TALKS: 2, FACTS: 2}
"""How often rows of these sources come in `reader.taught`: people's own questions are few beside the written ones, and
organisations and filings are what most is asked of."""
TAUGHT_PAGES, TAUGHT_LOOKALIKES = 16000, 11000
"""Rows of plain pages, and at most so many look-alikes, in `reader.taught`."""
PAGES_TEST = 2000
"""Rows of pages held out."""
LOOKED_FOR = 0.15
"""Share of the written questions for which look-alikes are searched: these are then as many as those of the others."""
ASKS = {"squad": 20, "clapnq": 12, "mtrag": 6, "others": 2}
"""Questions to write over a passage: most where other questions are likeliest to be asked."""
LONE = 0.15
"""Share of the questions that are also asked of one sentence alone, in whose words most of them are put: a reader that
sees such sentences only under written questions in other words takes shared words for a lure."""
LONGEST = 1300
"""Characters of a passage with its neighbours: about 300 tokens, the size of a chunk with its headings."""


def build(data: Path, out: Path, filings: Path | None = None) -> dict[str, int]:
    """Write rows that train and rows held out, for both splits, and passages to write questions over.

    `reader.train` and `reader.test` hold out whole articles, and questions of the others; `reader.known` and
    `reader.known_test` hold out questions alone, which is what a store whose articles were learnt may expect.
    `reader.plain` and then `reader.balanced` are for a reader that learnt `reader.train` to go on with;
    `reader.plain_test` is of organisations that it has not seen, `reader.pages_test` of pages. `reader.taught` is for
    second readers, teachers and students: all kinds of rows, weighed by how often they come. Without the passages of
    `filings` no file has questions over them.
    Return how many rows each file has.
    """
    chance = random.Random(20261123)
    of_filings = read_filing_questions(filings) if filings else []
    labelled = [*read_squad(data), *read_clapnq(data), *read_article_questions(data), *of_filings]
    corpus = [*squad_passages(data), *distractor_passages(data, PARAGRAPHS), *clapnq_passages(data).values()]
    corpus += {item.passage.text: item.passage for item in of_filings}.values()
    tables = ({**row, **split_of(row["group"], row["question"])} for row in make_rows(TABLES, chance))
    organisations = make_organisation_rows(ORGANISATION_FILES, chance)
    talks = [*_conversation_rows(data, chance), *make_talk_rows(TALK_FILES, chance)]
    rows = [*_rows(labelled, WordSearch(corpus), chance), *talks, *tables, *organisations, *make_fact_rows(FACT_FILES)]
    chance.shuffle(rows)
    asked = [row for row in rows if row["source"] != "changed"]
    train = [row for row in rows if row["held"] is None]
    pages = list(make_plain_rows(pages_of(), chance))
    chance.shuffle(pages)
    known = [*train, *2 * pages]
    chance.shuffle(known)
    new = list(make_plain_rows(pages_of(HELD_FILES), chance))
    chance.shuffle(new)
    unseen = make_plain_rows(pages_of((HELD,)), chance)
    return {
        "train": write_rows(out / "reader.train.jsonl", train),
        "test": write_rows(out / "reader.test.jsonl", (row for row in asked if row["held"] is not None)),
        "known": write_rows(out / "reader.known.jsonl", (row for row in rows if not row["apart"])),
        "known_test": write_rows(out / "reader.known_test.jsonl", (row for row in asked if row["apart"])),
        "taught": write_rows(out / "reader.taught.jsonl", _taught(train, pages, chance)),
        "plain": write_rows(out / "reader.plain.jsonl", _drawn(known, PLAIN)),
        "balanced": write_rows(out / "reader.balanced.jsonl", _drawn(known, BALANCED)),
        "plain_test": write_rows(out / "reader.plain_test.jsonl", ({**row, "held": "group"} for row in unseen)),
        "pages_test": write_rows(
            out / "reader.pages_test.jsonl", ({**row, "held": "group", "source": "pages"} for row in new[:PAGES_TEST])
        ),
        "passages": write_rows(out / "reader_passages.jsonl", _passages(data)),
    }


def _taught(
    train: Sequence[dict[str, Any]], pages: Sequence[dict[str, Any]], chance: random.Random
) -> list[dict[str, Any]]:
    lookalikes = [row for row in train if row["source"] == "retrieved"][:TAUGHT_LOOKALIKES]
    others = [row for row in train if row["source"] != "retrieved" for _ in range(TIMES.get(row["source"], 1))]
    found = [*lookalikes, *others, *pages[:TAUGHT_PAGES]]
    chance.shuffle(found)
    return found


def _drawn(rows: Sequence[dict[str, Any]], counts: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for source, count in counts.items():
        yield from [row for row in rows if row["source"] == source][:count]


def _passages(data: Path) -> Iterator[dict[str, Any]]:
    """Yield the passages to write questions over, with how many questions each is worth."""
    sets = {
        "squad": squad_passages(data),
        "clapnq": clapnq_passages(data).values(),
        "mtrag": _conversation_passages(data).values(),
        "others": distractor_passages(data, PARAGRAPHS),
    }
    for name, passages in sets.items():
        for passage in passages:
            if passage.text:
                held = held_out(passage.group)
                yield {"text": _cut(passage), "group": passage.group, "held": held, "asks": ASKS[name]}


def _conversation_passages(data: Path) -> dict[str, Passage]:
    return {
        row["_id"]: Passage(row.get("title") or "", row["text"], row.get("collection", ""))
        for row in read_rows(data / "multihop/mtrag/corpus.jsonl")
    }


def _rows(labelled: Sequence[Labelled], search: WordSearch, chance: random.Random) -> Iterator[dict[str, Any]]:
    asked = {(item.passage.group, item.question) for item in labelled}
    neighbours: dict[str, list[str]] = {}
    for passage in search.passages:
        neighbours.setdefault(passage.group, []).append(passage.text)
    for item in labelled:
        context, shift = _context(item.passage, neighbours.get(item.passage.group, []), chance)
        wrong = [context.find(text) for text in item.wrong[:1]]
        tempting = [[at, at + len(text)] for at, text in zip(wrong, item.wrong[:1], strict=True) if at >= 0]
        held = split_of(item.passage.group, item.question)
        written = item.source in (ARTICLES, FILINGS)
        if written and held["held"] == "question":
            held["held"] = None  # whole articles and filings are held out, and more than enough of them
        yield {**_row(item, context, shift), "wrong": tempting, **held}
        if chance.random() < LONE and (sentence := lone_sentence(item)):
            yield {**_row(*sentence, 0), "wrong": [], **held}
        if item.answerable and not written:  # those have their twins without an answer
            changed = make_false(item.question, chance, item.passage.text) if chance.random() < 0.6 else None
            if changed and (item.passage.group, changed) not in asked:  # it may be one that is held out
                yield {**_negative(changed, context, item.passage.group, "changed"), **held}
        if written and chance.random() > LOOKED_FOR:
            continue
        for passage in _lookalikes(item, search, chance):
            context, _ = _context(passage, [], chance)
            yield {**_negative(item.question, context, item.passage.group, "retrieved"), **held}


def _row(item: Labelled, context: str, shift: int) -> dict[str, Any]:
    return {
        "question": item.question,
        "context": context,
        "spans": _shifted(item.spans, shift),
        "support": _shifted(item.support, shift),
        "answerable": int(item.answerable),
        "group": item.passage.group,
        "source": item.source,
    }


def _negative(question: str, context: str, group: str, source: str) -> dict[str, Any]:
    return {
        "question": question,
        "context": context,
        "spans": [],
        "support": [],
        "answerable": 0,
        "group": group,
        "source": source,
    }


def _context(passage: Passage, neighbours: Sequence[str], chance: random.Random) -> tuple[str, int]:
    """Return the passage as a chunk would hold it, under its title or with a neighbour, and how far it moved."""
    before = f"{passage.title}\n" if passage.title and chance.random() < 0.7 else ""
    after = ""
    if neighbours and chance.random() < 0.3:
        other = chance.choice(neighbours)
        room = LONGEST - len(passage.text)
        if other != passage.text and room > 100:
            if chance.random() < 0.5:
                before += other[-min(room, len(other)) :] + "\n"
            else:
                after = "\n" + other[:room]
    return before + passage.text + after, len(before)


def _lookalikes(item: Labelled, search: WordSearch, chance: random.Random) -> list[Passage]:
    """Return up to three retrieved passages without the answer: two of the article, one of another.

    None for words about a filing: other passages of it say the same, or answer what this one does not.
    """
    if item.source == FILINGS and not any(char.isdigit() for answer in item.answers for char in answer):
        return []
    found = [
        passage
        for passage in search.find(item.question, 8)
        if passage.text != item.passage.text
        and not any(answer.casefold() in passage.text.casefold() for answer in item.answers)
        and held_out(passage.group) == held_out(item.passage.group)
    ]
    if item.source in ("squad", ARTICLES):
        near = [passage for passage in found if passage.group == item.passage.group]
        far = [passage for passage in found if passage.group != item.passage.group]
        return near[:2] + far[:1]
    return found[:3]


def _conversation_rows(data: Path, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield MTRAG's last turns, as the product rewrites and hears them, over passages marked as evidence or not."""
    corpus = _conversation_passages(data)
    search = WordSearch(list(corpus.values()))
    for row in read_rows(data / "multihop/mtrag/conversations.dev.jsonl"):
        group = f"mtrag {row['conversation_id']}"
        history = tuple(Message(message["role"], message["content"]) for message in row["messages"][:-1])
        question = rewrite(Question(row["question"], OPERATOR, history=history)).text
        besides = {**split_of(group, question), "heard": heard(question, history)}
        evidence = [corpus[item] for item in row.get("docs") or () if item in corpus]
        if row["answerability"] == "ANSWERABLE":
            for passage in evidence[:2]:
                yield {
                    **_negative(question, _cut(passage), group, "mtrag"),
                    **besides,
                    "spans": None,
                    "support": None,
                    "answerable": 1,
                }
        if row["answerability"] == "PARTIAL":
            continue
        known = {passage.text for passage in evidence} if row["answerability"] == "ANSWERABLE" else set()
        for passage in [passage for passage in search.find(question, 5) if passage.text not in known][:2]:
            yield {**_negative(question, _cut(passage), group, "mtrag"), **besides}


def _cut(passage: Passage) -> str:
    return f"{passage.title}\n{passage.text[:LONGEST]}".strip()


def _shifted(spans: Sequence[Span] | None, shift: int) -> list[list[int]] | None:
    return None if spans is None else [[start + shift, end + shift] for start, end in spans]


def main() -> None:
    """Build the two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--filings", type=Path, required=True, help="passages that `bench.filing_passages` wrote")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(build(arguments.data, arguments.out, arguments.filings))  # noqa: T201


if __name__ == "__main__":
    main()
