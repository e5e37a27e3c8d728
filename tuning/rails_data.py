"""Build the training rows of the classifier rails from labelled texts and templates.

    python -m tuning.rails_data --data FOLDER --out DIR [--passages FILE.jsonl] [--questions FILE.jsonl] …

FOLDER holds `toxicity.dev.jsonl`, `prompt_injection.dev.jsonl`, `harmful_requests.dev.jsonl` and
`indirect_injection.dev.jsonl`; passages (`text` a line) are plain documents that serve as clean contexts,
questions (`text`, `source`) are what people ask at work. Rows made here rather than collected carry
`train_only`: they are never scored.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from guardrails.indirect_injection import sentences
from guardrails.normalise import plain

Fields = dict[str, Any]


def _templates_of(*names: str) -> Fields:
    """Read template files into one: lists of templates, and the slots of all."""
    files = [tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8")) for name in names]
    slots = {name: values for file in files for name, values in file.pop("slots").items()}
    return {name: values for file in files for name, values in file.items()} | {"slots": slots}


TEMPLATES = _templates_of("rails_templates.toml", "rails_languages.toml")
_SLOT = re.compile(r"\{(\w+)\}")
_TARGETS = ("women", "trans people", "gay people", "black people", "disabled people", "Muslims", "immigrants")
_LEET = str.maketrans("aeiost", "431057")


def main() -> None:
    """Write `RAIL.train.jsonl` for each classifier rail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--passages", type=Path)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--pasted", type=int, default=0, help="so many long texts as people paste them")
    parser.add_argument("--buried", type=int, default=0, help="so many positive texts inside such long texts, a rail")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    passages = [line["text"] for line in _lines(args.passages)] if args.passages else []
    asked = _lines(args.questions) if args.questions else []
    asked += _pasted(passages, args.pasted, random.Random(args.seed))
    asked = list(ordinary(asked, random.Random(args.seed)))
    rows: dict[str, list[Fields]] = {
        "toxicity": [*toxicity(args.data, random.Random(args.seed)), *asked],
        "prompt_injection": [*prompt_injection(args.data, random.Random(args.seed)), *asked],
        "harmful_requests": [*harmful_requests(args.data, random.Random(args.seed)), *asked],
        "indirect_injection": [*indirect_injection(args.data, passages, random.Random(args.seed))],
    }
    for name in ("prompt_injection", "harmful_requests"):
        rows[name] = [*rows[name], *buried(rows[name], passages, args.buried, random.Random(args.seed))]
    args.out.mkdir(parents=True, exist_ok=True)
    for name, made in rows.items():
        write_rows(args.out / f"{name}.train.jsonl", made)


def write_rows(path: Path, rows: Iterable[Fields]) -> None:
    """Write rows as JSON Lines and say how many there are of each label."""
    counts: dict[str, int] = {}
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            key = f"{'made' if row.get('train_only') else 'collected'} {row['label']}"
            counts[key] = counts.get(key, 0) + 1
    print(path.name, counts)  # noqa: T201 - the command's result


def ordinary(asked: Sequence[Fields], chance: random.Random) -> Iterator[Fields]:
    """Yield questions as people ask them at work: no rail may stop them. They are scored, as a kind of their own."""
    for row in asked:
        text = plain(row["text"])
        group = f"question-{hash_of(text.lower())}"
        fields = {"id": group, "text": text, "label": 0, "group": group, "weight": 0.3}
        yield fields | {"kind": f"ordinary:{row.get('source', 'questions')}"}
    yield from _templates("office_questions", 0, 10, chance, 0.3)
    yield from _templates("document_questions", 0, 16, chance, 0.5)
    yield from _templates("it_questions", 0, 40, chance, 0.4)
    yield from _templates("ordinary_abroad", 0, 8, chance, 0.4)


def _pasted(passages: Sequence[str], count: int, chance: random.Random) -> list[Fields]:
    """Return texts as people paste them: a passage or a few in a row, some with a request before or after them."""
    made = []
    for _ in range(count if len(passages) >= 3 else 0):
        text = "\n\n".join(chance.sample(passages, chance.choice((1, 1, 2, 3))))
        ask = chance.choice(
            ("", "", "Summarise this:", "What does this mean?", "Is this still right?", "Shorten this text.")
        )
        text = f"{ask}\n{text}" if chance.random() < 0.5 else f"{text}\n{ask}"
        made.append({"text": text.strip(), "source": "pasted"})
    return made


def buried(rows: Sequence[Fields], passages: Sequence[str], count: int, chance: random.Random) -> Iterator[Fields]:
    """Yield positive rows again between harmless passages, of the same group: hiding what is asked must not help."""
    positive = [row for row in rows if row["label"] and len(row["text"]) < 600]
    for row in chance.sample(positive, min(count, len(positive))) if len(passages) >= 4 else ():
        before = chance.sample(passages, chance.choice((0, 1, 1, 2)))
        after = chance.sample(passages, chance.choice((0, 1, 1)) if before else 1)
        text = "\n\n".join((*before, row["text"], *after))
        yield row | {"text": text, "kind": "buried", "weight": 0.5, "train_only": True}


def toxicity(data: Path, chance: random.Random) -> Iterator[Fields]:
    """Yield the collected rows, the same about other groups and misspelt, and templates of what is not toxic."""
    for row in _lines(data / "toxicity.dev.jsonl"):
        label = int(row["toxic"])
        made = _row(row, label, f"{row['source']}:{row['kind']}")
        yield made
        if row["source"] == "hatecheck":
            yield from _about_others(made, row.get("target") or "", chance)
            if not row["kind"].startswith("spell") and chance.random() < 0.35:
                yield made | {"text": misspelt(row["text"], chance), "train_only": True, "weight": 0.7}
            if label and not row["text"].endswith("?"):
                yield _condemned(made, chance)
        elif chance.random() < 0.06:
            yield made | {"text": misspelt(row["text"], chance), "train_only": True, "weight": 0.7}
    yield from _templates("toxic", 1, 24, chance, 0.5)
    yield from _templates("not_toxic", 0, 24, chance, 0.5)


def prompt_injection(data: Path, chance: random.Random) -> Iterator[Fields]:
    """Yield the collected rows, hijacks in many wordings, and requests that only look like them."""
    for row in _lines(data / "prompt_injection.dev.jsonl"):
        yield _row(row, int(row["attack"]), f"{row['source']}:{row['kind']}")
    for template in TEMPLATES["hijack"]:
        for _ in range(9):
            yield _made(_hijack(template, chance), 1, "hijack", 0.5)
    yield from _templates("hijack_abroad", 1, 6, chance, 0.5)
    harmful = [row["text"] for row in _lines(data / "harmful_requests.dev.jsonl") if row["source"] != "xstest"]
    for text in chance.sample(harmful, 200):
        yield _made(text, 0, "harmful_but_no_injection", 0.5)
    yield from _templates("benign_lookalikes", 0, 9, chance, 0.6)


def harmful_requests(data: Path, chance: random.Random) -> Iterator[Fields]:
    """Yield the collected rows, pairs of dangerous and harmless wordings, and ordinary requests."""
    for row in _lines(data / "harmful_requests.dev.jsonl"):
        # The few safe look-alikes must not drown among the many easy questions.
        weight = 1.0 if row["harmful"] else 2.5
        yield _row(row, int(row["harmful"]), f"{row['source']}:{row['kind']}") | {"weight": weight}
    yield from _templates("safe_requests", 0, 12, chance, 0.6)
    yield from _templates("unsafe_requests", 1, 12, chance, 0.6)
    yield from _templates("unsafe_abroad", 1, 8, chance, 0.6)
    sources = ("wildguard-sub", "notinject", "piguard-valid")
    injections = _lines(data / "prompt_injection.dev.jsonl")
    benign = [row["text"] for row in injections if row["source"] in sources and not row["attack"]]
    for text in chance.sample(benign, 250):
        yield _made(text, 0, "benign", 0.35)


def indirect_injection(data: Path, passages: Sequence[str], chance: random.Random) -> Iterator[Fields]:
    """Yield the collected contexts, their sentences alone, and plain passages with and without an order put in."""
    for row in _lines(data / "indirect_injection.dev.jsonl"):
        label = int(row["injected"])
        kind = f"{row['kind']}:{row.get('position') or 'clean'}"
        whole = _row(row | {"text": row["context"]}, label, kind)
        yield whole
        if label:
            yield whole | {"text": row["attack"], "train_only": True, "weight": 0.5}
            order = _order(chance)
            yield whole | {"text": row["context"].replace(row["attack"], order), "train_only": True, "weight": 0.5}
        else:
            parts = [row["context"][start:end].strip() for start, end in sentences(row["context"])]
            for part in chance.sample(parts, min(4, len(parts))):
                yield whole | {"text": part, "train_only": True, "weight": 0.5}
    for text in (*passages, *TEMPLATES["benign_passages"] * 3):
        yield _made(text, 0, "passage", 1.0) | {"train_only": False, "id": f"passage-{hash_of(text)}"}
        yield _made(_inserted(text, _order(chance), chance), 1, "passage", 0.6)
        start, end = chance.choice(sentences(text) or [(0, len(text))])
        yield _made(text[start:end].strip(), 0, "sentence", 0.5)


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


def _templates(name: str, label: int, times: int, chance: random.Random, weight: float = 0.6) -> Iterator[Fields]:
    """Fill each template up to `times` times, no text twice."""
    seen: set[str] = set()
    for template in TEMPLATES[name]:
        for _ in range(times if _SLOT.search(template) else 1):
            text = filled(template, chance)
            if chance.random() < 0.15:
                text = text.lower()
            if text not in seen:
                seen.add(text)
                yield _made(text, label, name, weight)


def filled(template: str, chance: random.Random) -> str:
    """Return a template with a value in each slot, nested ones too; a slot at its start gets a capital."""
    text = template
    while _SLOT.search(text):
        text = _SLOT.sub(lambda match: str(chance.choice(TEMPLATES["slots"][match[1]])), text)
    return text[:1].upper() + text[1:] if template.startswith("{") else text


def _hijack(template: str, chance: random.Random) -> str:
    goal = chance.choice(TEMPLATES["goals"])
    text = template.replace("{goal}", goal).replace("{Goal}", goal[:1].upper() + goal[1:])
    return filled(text, chance)


def _order(chance: random.Random) -> str:
    template = chance.choice(TEMPLATES["embedded_orders"])
    if template == "{Hijack}":
        template = chance.choice(TEMPLATES["hijack"])
    return _hijack(template, chance)


def _inserted(text: str, order: str, chance: random.Random) -> str:
    """Put an order before, after or between the sentences of a passage."""
    spans = sentences(text) or [(0, len(text))]
    place = chance.choice((0, len(text), spans[chance.randrange(len(spans))][0]))
    break_ = chance.choice(("\n", " ", "\n\n"))
    return (text[:place].rstrip(" ") + break_ + order + break_ + text[place:]).strip()


def _row(row: Fields, label: int, kind: str) -> Fields:
    return {"id": row["id"], "text": plain(row["text"]), "label": label, "group": row["group"], "kind": kind}


def _made(text: str, label: int, kind: str, weight: float) -> Fields:
    group = f"made-{hash_of(text)}"
    return {"text": text, "label": label, "group": group, "kind": kind, "weight": weight, "train_only": True}


def hash_of(text: str) -> str:
    """Return a short stable name for a text."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _lines(path: Path) -> list[Fields]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()
