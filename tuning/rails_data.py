"""Build the training rows of three classifier rails from labelled texts and templates.

    python -m tuning.rails_data --data FOLDER --passages FILE.jsonl --questions FILE.jsonl --out DIR

FOLDER holds `toxicity.dev.jsonl`, `prompt_injection.dev.jsonl` and `harmful_requests.dev.jsonl`; passages (`text` a
line) are plain documents, as people paste them, questions (`text`, `source`) are what people ask at work:
`tuning.rails_sources` writes both. Rows made by changing a collected one carry `train_only`: they are never scored.
What templates make is scored as a kind of its own, `ordinary:…` or `written:…`. The rows of `indirect_injection`
are those of `tuning.order_rows`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from guardrails.normalise import plain
from tuning.plain_questions import FIRST, pages_of, questions_of
from tuning.rail_templates import TEMPLATES, Fields, hash_of, hijack, made, rows_of

ORDINARY = (
    ("office_questions", 10, 0.3),
    ("document_questions", 12, 0.5),
    ("it_questions", 30, 0.4),
    ("howto_questions", 12, 0.4),
    ("security_questions", 8, 0.4),
    ("people_questions", 6, 0.4),
    ("legal_medical_questions", 8, 0.4),
    ("finance_questions", 6, 0.4),
    ("general_questions", 8, 0.4),
)
"""Lists of templates, how often each is filled, and the weight of a row."""
CURT = (("curt_questions", 14, 0.6), ("plain_reports", 14, 0.5))
"""For harmful_requests alone: with them toxicity lost abuse at the end of long texts."""
OWN = (("own_questions", 14, 0.4),)
"""For the first adapter of harmful_requests, as what people ask of plain pages is: the second is to differ from it."""
REQUESTS = (("requests", 10), ("requests_abroad", 8))
"""What people order of an assistant, for the rails that stop orders: toxicity has no trouble with them."""
WRITTEN_ABROAD = (("requests_written_abroad", 1),)
"""For prompt_injection alone: with them harmful_requests found fewer harmful ones in English."""
PASTED = {"toxicity": 300, "prompt_injection": 1500, "harmful_requests": 300, "harmful_requests_second": 300}
"""How many long texts as people paste them an adapter learns.

With 300 prompt_injection stopped 2.3 % of such texts, and its threshold had to stand where injections pass."""
BURIED = 350
"""Positive texts inside such long texts, a rail."""
_LEET = str.maketrans("aeiost", "431057")


def main() -> None:
    """Write `ADAPTER.train.jsonl` for each rail, and for the second adapter of harmful_requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "passages", "questions", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    passages = [line["text"] for line in _lines(args.passages)]
    questions = _lines(args.questions)
    common = list(ordinary(ORDINARY, random.Random(args.seed)))
    curt = list(ordinary(CURT, random.Random(args.seed)))
    own = list(ordinary((*CURT, *OWN), random.Random(args.seed)))
    abroad = list(rows_of("ordinary_abroad", 0, 8, random.Random(args.seed), 0.4, scored="ordinary"))
    further = {
        # Abuse in other languages is in no row: that nothing foreign is toxic must not be learnt.
        "toxicity": [],
        "prompt_injection": [*abroad, *requests((*REQUESTS, *WRITTEN_ABROAD), 1.0, random.Random(args.seed))],
        "harmful_requests": [*own, *abroad, *requests(REQUESTS, 1.0, random.Random(args.seed))],
        "harmful_requests_second": [*curt, *abroad, *requests(REQUESTS, 0.4, random.Random(args.seed))],
    }
    labelled = {"toxicity": toxicity, "prompt_injection": prompt_injection, "harmful_requests": harmful_requests}
    rows: dict[str, list[Fields]] = {}
    for name, more in further.items():
        pasted = _pasted(passages, PASTED[name], random.Random(args.seed))
        of_the_rail = labelled[name.removesuffix("_second")](args.data, random.Random(args.seed))
        rows[name] = [*of_the_rail, *collected([*questions, *pasted]), *common, *more]
    for name in ("prompt_injection", "harmful_requests", "harmful_requests_second"):
        rows[name] += buried(rows[name], passages, BURIED, random.Random(args.seed))
    rows["harmful_requests"] += plain_asked()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, found in rows.items():
        write_rows(args.out / f"{name}.train.jsonl", found)


def write_rows(path: Path, rows: Iterable[Fields]) -> None:
    """Write rows as JSON Lines and say how many there are of each label."""
    counts: dict[str, int] = {}
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            key = f"{'made' if row.get('train_only') else 'collected'} {row['label']}"
            counts[key] = counts.get(key, 0) + 1
    print(path.name, counts)  # noqa: T201 - the command's result


def collected(asked: Sequence[Fields], weight: float = 0.3) -> Iterator[Fields]:
    """Yield questions that people asked of documents, with the group they were given: no rail may stop them."""
    for row in asked:
        text = plain(row["text"])
        name = f"question-{hash_of(text.lower())}"
        fields = {"id": name, "text": text, "label": 0, "group": row.get("group", name), "weight": weight}
        yield fields | {"kind": f"ordinary:{row.get('source', 'questions')}"}


def plain_asked() -> Iterator[Fields]:
    """Yield what people ask of the plain pages to train on; all about a page are one group.

    They are so many and so alike that at a full weight harmful requests pass.
    """
    for page in pages_of(FIRST):
        asked = [
            {"text": text, "source": "plain", "group": f"plain-{hash_of(page.title)}"} for text in questions_of([page])
        ]
        yield from collected(asked, 0.1)


def ordinary(lists: Iterable[tuple[str, int, float]], chance: random.Random) -> Iterator[Fields]:
    """Yield what people ask of company documents, harmless where it sounds otherwise."""
    for name, times, weight in lists:
        yield from rows_of(name, 0, times, chance, weight, scored="ordinary")


def requests(lists: Iterable[tuple[str, int]], weight: float, chance: random.Random) -> Iterator[Fields]:
    """Yield what people order of an assistant over their documents: to list, show, repeat, translate, shorten."""
    yield from ordinary(((name, times, weight) for name, times in lists), chance)


def _pasted(passages: Sequence[str], count: int, chance: random.Random) -> list[Fields]:
    """Return texts as people paste them: a passage or a few in a row, some with a request before or after them."""
    pasted = []
    for _ in range(count):
        text = "\n\n".join(chance.sample(passages, chance.choice((1, 1, 2, 3))))
        ask = chance.choice(
            ("", "", "Summarise this:", "What does this mean?", "Is this still right?", "Shorten this text.")
        )
        text = f"{ask}\n{text}" if chance.random() < 0.5 else f"{text}\n{ask}"
        pasted.append({"text": text.strip(), "source": "pasted"})
    return pasted


def buried(rows: Sequence[Fields], passages: Sequence[str], count: int, chance: random.Random) -> Iterator[Fields]:
    """Yield positive rows again between harmless passages, of the same group: hiding what is asked must not help."""
    positive = [row for row in rows if row["label"] and len(row["text"]) < 600]
    for row in chance.sample(positive, min(count, len(positive))):
        before = chance.sample(passages, chance.choice((0, 1, 1, 2)))
        after = chance.sample(passages, chance.choice((0, 1, 1)) if before else 1)
        text = "\n\n".join((*before, row["text"], *after))
        yield row | {"text": text, "kind": "buried", "weight": 0.5, "train_only": True}


def toxicity(data: Path, chance: random.Random) -> Iterator[Fields]:
    """Yield the collected rows, the same about other groups and misspelt, and templates of what is not toxic."""
    for row in _lines(data / "toxicity.dev.jsonl"):
        label = int(row["toxic"])
        whole = _row(row, label, f"{row['source']}:{row['kind']}")
        yield whole
        if row["source"] == "hatecheck":
            yield from _about_others(whole, row.get("target") or "", chance)
            if not row["kind"].startswith("spell") and chance.random() < 0.35:
                yield whole | {"text": misspelt(row["text"], chance), "train_only": True, "weight": 0.7}
            if label and not row["text"].endswith("?"):
                yield _condemned(whole, chance)
        elif chance.random() < 0.06:
            yield whole | {"text": misspelt(row["text"], chance), "train_only": True, "weight": 0.7}
    yield from rows_of("toxic", 1, 24, chance, 0.5)
    yield from rows_of("not_toxic", 0, 24, chance, 0.5)


def prompt_injection(data: Path, chance: random.Random) -> Iterator[Fields]:
    """Yield the collected rows, hijacks in many wordings, and requests that only look like them."""
    for row in _lines(data / "prompt_injection.dev.jsonl"):
        yield _row(row, int(row["attack"]), f"{row['source']}:{row['kind']}")
    for template in TEMPLATES["hijack"]:
        home = {"group": f"template-{hash_of(template)}", "train_only": False}
        for _ in range(9):
            yield made(hijack(template, chance), 1, "written:hijack", 0.5) | home
    yield from rows_of("hijack_abroad", 1, 6, chance, 0.5, scored="written")
    harmful = [row["text"] for row in _lines(data / "harmful_requests.dev.jsonl") if row["source"] != "xstest"]
    for text in chance.sample(harmful, 200):
        yield made(text, 0, "harmful_but_no_injection", 0.5)
    yield from rows_of("benign_lookalikes", 0, 9, chance, 0.6, scored="ordinary")


def harmful_requests(data: Path, chance: random.Random) -> Iterator[Fields]:
    """Yield the collected rows, pairs of dangerous and harmless wordings, and ordinary requests."""
    for row in _lines(data / "harmful_requests.dev.jsonl"):
        # The few safe look-alikes must not drown among the many easy questions.
        weight = 1.0 if row["harmful"] else 2.5
        yield _row(row, int(row["harmful"]), f"{row['source']}:{row['kind']}") | {"weight": weight}
    yield from rows_of("safe_requests", 0, 12, chance, 0.6, scored="written")
    yield from rows_of("harm_lookalikes", 0, 8, chance, 0.6, scored="written")
    yield from rows_of("unsafe_requests", 1, 12, chance, 0.6, scored="written")
    yield from rows_of("harm_by_kind", 1, 8, chance, 0.6, scored="written")
    yield from rows_of("unsafe_abroad", 1, 6, chance, 0.6, scored="written")
    sources = ("wildguard-sub", "notinject", "piguard-valid")
    injections = _lines(data / "prompt_injection.dev.jsonl")
    benign = [row["text"] for row in injections if row["source"] in sources and not row["attack"]]
    for text in chance.sample(benign, 250):
        yield made(text, 0, "benign", 0.35)
    yield from rows_of("curt_harm", 1, 10, chance, 0.6, scored="written")


def misspelt(text: str, chance: random.Random) -> str:
    """Return the text with one or two words disguised: letters dropped, swapped, spaced out, leet, or joined."""
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) > 3] or list(range(len(words)))
    for i in chance.sample(long, min(len(long), chance.choice((1, 1, 2)))):
        word = words[i]
        at = chance.randrange(1, max(2, len(word) - 1))
        words[i] = chance.choice(
            (
                word[:at] + word[at + 1 :],
                word[: at - 1] + word[at : at + 1] + word[at - 1 : at] + word[at + 1 :],
                " ".join(word),
                word.translate(_LEET),
                word.upper(),
            )
        )
    joined = "".join(words) if chance.random() < 0.08 and len(words) < 7 else " ".join(words)
    return joined


def _about_others(row: Fields, target: str, chance: random.Random) -> Iterator[Fields]:
    """Yield the same sentence about two other groups: what is said counts, not about whom."""
    if target and target in row["text"]:
        others = [group for group in TEMPLATES["slots"]["group"] if group != target]
        for group in chance.sample(others, 2):
            yield row | {"text": row["text"].replace(target, group), "train_only": True, "weight": 0.5}


def _condemned(row: Fields, chance: random.Random) -> Fields:
    """Return hate speech inside a sentence that rejects it: that sentence is not hate speech."""
    text = chance.choice(TEMPLATES["condemned"]).replace("{quote}", row["text"].rstrip("."))
    return row | {"text": text, "label": 0, "train_only": True, "weight": 0.4, "id": f"{row['id']}-condemned"}


def _row(row: Fields, label: int, kind: str) -> Fields:
    return {"id": row["id"], "text": plain(row["text"]), "label": label, "group": row["group"], "kind": kind}


def _lines(path: Path) -> list[Fields]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()
