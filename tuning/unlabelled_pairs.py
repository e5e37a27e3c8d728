"""Questions beside passages that nobody labelled, for teachers to judge.

    python -m tuning.unlabelled_pairs --base ENCODER --written written.jsonl --real reader.train.jsonl
        --passages reader_passages.jsonl --out pairs.jsonl [--most 80000]

Pairs are written questions as they stand, changed until their passage should no longer answer, over the passage of
their article that looks most alike, and written and real questions over what a search by meaning finds for them: what
the reader is shown when it serves.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.lora import batch_of, pooled
from models.reading import load_bert, special_ids
from tuning.perturb import make_false

FOUND = 2
"""Found passages a written question."""
FOUND_REAL = 4
"""Found passages a real question: there are few, and they are asked as people ask."""
LONGEST = 1300
Row = Mapping[str, Any]
_UNKNOWN = {"spans": None, "support": None, "answerable": 0}


def changed(rows: Sequence[Row], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield half of the questions with a change after which their passage should not answer."""
    for row in rows:
        question = make_false(row["question"], chance, row["context"]) if chance.random() < 0.5 else None
        if question:
            yield {"question": question, "context": row["context"], "group": row["group"], **_UNKNOWN}


def nearby(rows: Sequence[Row], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield half of the questions over another passage of their article, the one that shares most words."""
    by_group: dict[str, dict[str, None]] = {}
    for row in rows:
        by_group.setdefault(row["group"], {})[row["context"]] = None
    for row in rows:
        others = [text for text in by_group[row["group"]] if text != row["context"]]
        if others and chance.random() < 0.5:
            wanted = _words(row["question"])
            other = max(chance.sample(others, min(12, len(others))), key=lambda text: len(wanted & _words(text)))
            yield {"question": row["question"], "context": other, "group": row["group"], **_UNKNOWN}


def found(rows: Sequence[Row], passages: Sequence[Row], search: Search, most: int) -> Iterator[dict[str, Any]]:
    """Yield questions over the first passages found for them that are not their own."""
    known: dict[str, list[str]] = {}
    for row in rows:
        known.setdefault(row["question"], []).append(row["context"])
    questions = {row["question"]: row for row in rows}
    for (question, row), hits in zip(questions.items(), search.find(list(questions), most + 2), strict=True):
        others = [passages[hit]["text"] for hit in hits]
        others = [text for text in others if not any(_body(text) in context for context in known[question])]
        for text in others[:most]:
            yield {"question": question, "context": text, "group": row["group"], **_UNKNOWN}


class Search:
    """Passages by the meaning of the packaged encoder."""

    def __init__(self, base: Path, texts: Sequence[str], device: str) -> None:
        self._bert, self._tokenizer = load_bert(base, device)
        self._tokenizer.enable_truncation(256)
        self._vectors = self._embedded(texts)

    def find(self, questions: Sequence[str], k: int) -> list[list[int]]:
        """Return the positions of the k nearest passages of each question."""
        asked, hits = self._embedded(questions), list[list[int]]()
        for at in range(0, len(asked), 512):
            hits += (asked[at : at + 512] @ self._vectors.T).topk(min(k, len(self._vectors))).indices.tolist()
        return hits

    def _embedded(self, texts: Sequence[str]) -> Tensor:
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        vectors = torch.empty(len(ids), self._bert.width)
        on_gpu = self._bert.device.type == "cuda"
        size = 512 if on_gpu else 32
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            batch = batch_of([(None, ids[i][:254]) for i in chosen], **special_ids(self._tokenizer))
            batch = batch.to(self._bert.device)
            half = torch.autocast("cuda", torch.bfloat16) if on_gpu else contextlib.nullcontext()
            with torch.inference_mode(), half:
                states = self._bert.hidden(batch, {}).float()
            vectors[chosen] = torch.nn.functional.normalize(pooled(states, batch.mask, "mean")).cpu()
        return vectors


def _body(text: str) -> str:
    """Return the middle of a passage, which is the same under another title or beside a neighbour."""
    return text[len(text) // 2 :][:80]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def _read(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [
        json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def main() -> None:
    """Write the pairs, the written questions first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base", "passages", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("written", "real"):
        parser.add_argument(f"--{name}", type=Path, action="append", default=[])
    parser.add_argument("--most", type=int, default=80000)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    chance = random.Random(13)
    written, passages = _read(given.written), _read([given.passages])
    real = [row for row in _read(given.real) if row["source"] in ("squad", "clapnq", "mtrag")]
    search = Search(given.base, [row["text"] for row in passages], given.device)
    made = [*changed(written, chance), *nearby(written, chance), *found(written, passages, search, FOUND)]
    room = max(0, given.most - len(written))
    made = chance.sample(made, room) if len(made) > room else made
    made += found(real, passages, search, FOUND_REAL)
    with given.out.open("w", encoding="utf-8") as file:
        for row in [*written, *({**row, "source": "written"} for row in made)]:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{len(written)} written, {len(made)} made of them and of real questions")  # noqa: T201


if __name__ == "__main__":
    main()
