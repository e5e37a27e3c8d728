"""Claims beside evidence, for the second reader to be asked whether the passage supports them.

    python -m tuning.claim_rows --data DATA --out FOLDER

Rows as `tuning/reader_teacher.py` reads them: those of the `groundedness` adapter (`tuning/verify_data.py`), sentences
about made-up reports (`tuning/report_claims.py`) and about organisations' documents, written for this project, and
written questions with their answers, right and tempting, as claims (`tuning/article_questions.py`). Evidence is shown
as it is served (`models.grounding.focused`).

Held out are one group in three of the labelled answers, the reports of `bench/reports`, what
`tuning/answerable_data.py` holds out of articles, conversations and organisations, and all of QAGS and FaithBench,
which nothing may be trained on.

A file of `statements` has the name of one of `organisations`, and for each of its documents, under its title,

    = SENTENCE        which the document supports
    ! SENTENCE        which it does not, by a detail
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.grounding import SHOWN, claims_of, focused
from models.second_reader import CLAIM
from tuning.article_questions import read_article_questions
from tuning.organisation_questions import FILES as ORGANISATIONS
from tuning.organisation_questions import read_organisation
from tuning.passages_data import hashed, held_out, read_rows, write_rows
from tuning.report_claims import labelled
from tuning.verify_data import TRAINED_ON, declared, training_rows

HELD = 3
"""One group in so many of the labelled answers is held out."""
WRITTEN = 9000
"""Claims made of written questions: some are no sentence, so that more would not help."""
TIMES = 2
"""How often sentences about reports and organisations come: nothing else is as near to the truth and wrong."""
LENGTHS = (450, 650, 900, 1300)
"""Characters of evidence shown: what is served may be set between."""
FOLDER = Path(__file__).parent / "statements"
UNSEEN_REPORTS = Path(__file__).parents[1] / "bench" / "reports"


def build(data: Path, out: Path) -> dict[str, int]:
    """Write rows that train, and those held out; return how many."""
    chance = random.Random(5)
    train = list(_train(data, chance))
    chance.shuffle(train)
    return {
        "train": write_rows(out / "claims.train.jsonl", train),
        "test": write_rows(out / "claims.test.jsonl", _test(data)),
    }


def _train(data: Path, chance: random.Random) -> Iterator[dict[str, Any]]:
    for row in training_rows(data, random.Random(20261124)):
        if not _held(row["group"]) and not held_out(row["group"]):
            yield _row(row["a"], row["b"], row["label"], row["kind"], row["group"], chance.choice(LENGTHS))
    for row in [*labelled(), *(row for row in statements() if not held_out(row["group"]))]:
        for longest in chance.sample(LENGTHS, TIMES):
            yield _row(row["answer"], row["context"], row["grounded"], row["source"], row["group"], longest)
    asked = [item for item in read_article_questions(data) if not held_out(item.passage.group)]
    for item in chance.sample(asked, min(WRITTEN, len(asked))):
        words = item.answers[0] if item.answerable else item.wrong[0]
        claim = declared(item.question, words)
        longest = chance.choice(LENGTHS)
        yield _row(claim, item.passage.text, item.answerable, "written", item.passage.group, longest)


def statements(folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """Yield the sentences about organisations as labelled answers; a group is an organisation.

    Raises:
        ValueError: a line is of no kind, or stands under no title of the organisation's documents.
    """
    texts = {path.stem: path for path in ORGANISATIONS}
    for path in sorted(folder.glob("*.txt")):
        documents = {one.title: f"{one.title}\n{one.text}" for one in read_organisation(texts[path.stem])}
        title = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            kind, rest = line[:2], line[2:].strip()
            if kind == "# ":
                title = rest
            elif kind in ("= ", "! ") and title in documents:
                made = {"id": f"{path.stem}-{number}", "group": f"organisation {path.stem}", "source": "statement"}
                yield {**made, "context": documents[title], "answer": rest, "grounded": kind == "= "}
            elif line.strip():
                raise ValueError(f"{path.name}, line {number}: {line!r} is of no kind, or of no document")


def _test(data: Path) -> Iterator[dict[str, Any]]:
    kept = [row for row in read_rows(data / "guardrails/groundedness.dev.jsonl") if row["grounded"] is not None]
    labelled_rows = [row for row in kept if row["source"] not in TRAINED_ON or _held(row["group"])]
    ours = [*labelled(UNSEEN_REPORTS), *(row for row in statements() if held_out(row["group"]))]
    for row in [*labelled_rows, *ours]:
        for claim in claims_of(row["answer"].strip()):
            made = _row(claim, row["context"].strip(), row["grounded"], row["source"], row["group"])
            yield {**made, "held": "group", "id": row["id"]}


def _held(group: str) -> bool:
    return hashed(group) % HELD == 0


def _row(claim: str, evidence: str, supported: bool, source: str, group: str, longest: int = SHOWN) -> dict[str, Any]:
    return {
        "form": CLAIM.name,
        "question": claim,
        "context": focused(evidence, claim, longest),
        "spans": None if supported else [],
        "support": None,
        "answerable": int(supported),
        "group": group,
        "source": source,
        "held": None,
    }


def main() -> None:
    """Write the two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print(build(given.data, given.out))  # noqa: T201


if __name__ == "__main__":
    main()
