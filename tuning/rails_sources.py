"""Collect what people ask and paste at work, for the rails to let through.

    python -m tuning.rails_sources --data DATA --samples samples --out FOLDER

Writes `questions.jsonl` (`text`, `source`) and `passages.jsonl` (`text`) for `tuning.rails_data`. Questions of
FinanceBench and PolicyQA are left out, and so is every second article of XQuAD, so that they stay unseen by every rail.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuning.passages_data import clapnq_passages, distractor_passages, read_clapnq, read_rows, read_squad, write_rows

SQUAD_QUESTIONS = 1200
TITLES = 400
PASSAGES = 1100
"""Of handbooks, and as many of encyclopaedias."""
ABROAD_SHARE = 0.6
"""Of the questions about the articles taken."""
SHORT, LONG = 200, 1200
"""Characters of a handbook passage."""
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def questions(data: Path, samples: Path, chance: random.Random) -> Iterator[dict[str, str]]:
    """Yield questions with where they are from, no text twice."""
    found: dict[str, str] = {}
    for item in read_clapnq(data):
        found.setdefault(item.question, "clapnq")
    for row in read_rows(data / "multihop/mtrag/conversations.dev.jsonl"):
        for message in row["messages"]:
            if message["role"] == "user" and len(message["content"]) < 400:
                found.setdefault(message["content"], "mtrag")
    squad = sorted({item.question for item in read_squad(data)})
    for text in chance.sample(squad, min(SQUAD_QUESTIONS, len(squad))):
        found.setdefault(text, "squad")
    for row in read_rows(data / "guardrails/domain.dev.jsonl"):
        if not row["id"].startswith("dom-financebench"):
            found.setdefault(row["text"], "domain")
    for title in chance.sample(titles := _titles(samples), min(TITLES, len(titles))):
        found.setdefault(f"What does the handbook say about {title}?", "handbook")
    yield from ({"text": text, "source": source} for text, source in found.items())
    yield from _abroad(data, chance)


def _abroad(data: Path, chance: random.Random) -> Iterator[dict[str, str]]:
    """Yield translated questions about every second article; all about an article are one group, in any language."""
    rows = [row for row in read_rows(data / "squad2/xquad_questions.dev.jsonl") if row["lang"] != "en"]
    articles = {name: number for number, name in enumerate(sorted({Path(row["doc"]).name for row in rows}))}
    for row in chance.sample(rows, len(rows)):
        article = Path(row["doc"]).name
        if articles[article] % 2 == 0 and chance.random() < ABROAD_SHARE:
            yield {"text": row["question"], "source": f"xquad_{row['lang']}", "group": f"xquad-{article}"}


def passages(data: Path, samples: Path, chance: random.Random) -> Iterator[dict[str, str]]:
    """Yield paragraphs of handbooks and encyclopaedia articles."""
    handbook = [
        part.strip()
        for file in sorted(samples.rglob("*.md"))
        for part in re.split(r"\n(?=#+ )", file.read_text(encoding="utf-8"))
        if SHORT <= len(part.strip()) <= LONG
    ]
    articles = [item.text for item in (*distractor_passages(data, 3), *clapnq_passages(data).values())]
    for pool in (handbook, [text for text in articles if len(text) >= SHORT]):
        yield from ({"text": text} for text in chance.sample(pool, min(PASSAGES, len(pool))))


def _titles(samples: Path) -> list[str]:
    """Return the headings of the sample handbook, as somebody would name them."""
    found = {
        heading.strip().lower()
        for file in sorted(samples.rglob("*.md"))
        for heading in _HEADING.findall(file.read_text(encoding="utf-8"))
        if re.fullmatch(r"[\w ,'-]{5,50}", heading.strip())
    }
    return sorted(found)


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    counts: dict[str, Any] = {
        "questions": write_rows(given.out / "questions.jsonl", questions(given.data, given.samples, random.Random(7))),
        "passages": write_rows(given.out / "passages.jsonl", passages(given.data, given.samples, random.Random(7))),
    }
    print(json.dumps(counts))  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
