"""Orders planted in passages no adapter was trained on, and what the retrieval rail does to clean ones.

    python -m bench.rails planted --data FOLDER-OF-MARKDOWN [--count 300] [--adapter FOLDER]

Every order of `rails_planted.toml` is put before, into and after a passage each; every plain sentence likewise. An
order is read when it is still in the passage after the rail; a clean passage is touched when anything of it is gone.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.rails import hit
from bench.rails_attack import flat, put_in_force
from core.settings import Settings
from guardrails.indirect_injection import sentences
from guardrails.rails import Rails
from models.adapters import load_classifier

SHORT, LONG = 200, 1200


def planted(args: argparse.Namespace) -> dict[str, Any]:
    """Return orders read by place, and plain sentences and clean passages blanked; the texts go to standard error."""
    texts = tomllib.loads(Path(__file__).with_name("rails_planted.toml").read_text(encoding="utf-8"))
    chance = random.Random(args.seed)
    clean = chance.sample(found := passages(args.data), min(args.count, len(found)))
    rails = _rails(args.adapter)
    counts: Counter[str] = Counter()
    for passage in clean:
        left = _after(rails, passage)
        counts["clean_passages"] += 1
        counts["clean_touched"] += left != passage
        if left != passage:
            _say("touched", _lost(passage, left))
    for kind in ("orders", "plain"):
        for text in texts[kind]:
            for place in ("start", "middle", "end"):
                left = flat(_after(rails, put(text, chance.choice(clean), place, chance)))
                kept = flat(text) in left
                counts[kind] += 1
                counts[f"{kind}_{'kept' if kept else 'blanked'}"] += 1
                if kept == (kind == "orders"):
                    counts[f"{kind}_wrong_{place}"] += 1
                    _say(f"{kind} {place}", text)
    return dict(counts)


def passages(folder: Path) -> list[str]:
    """Return the sections of a folder of Markdown, or its marked paragraphs, that are about as long as a chunk."""
    files = sorted(folder.rglob("*.md"))
    cut = re.compile(r"\n(?=#+ )|<!-- paragraph.*?-->")
    parts = [part.strip() for file in files for part in cut.split(file.read_text(encoding="utf-8"))]
    return [part for part in parts if SHORT <= len(part) <= LONG]


def put(order: str, passage: str, place: str, chance: random.Random) -> str:
    """Return a passage with an order at its start, its end or between two of its sentences."""
    spans = sentences(passage)
    at = {"start": 0, "end": len(passage)}.get(place, spans[chance.randrange(len(spans))][0])
    gap = chance.choice(("\n", " ", "\n\n"))
    return (passage[:at].rstrip(" ") + gap + order + gap + passage[at:]).strip()


def _after(rails: Rails, text: str) -> str:
    kept, _ = rails.check_retrieval([hit(text)])
    return kept[0].chunk.text if kept else ""


def _lost(passage: str, left: str) -> str:
    spans: Sequence[tuple[int, int]] = sentences(passage)
    return " | ".join(passage[s:e].strip() for s, e in spans if passage[s:e] != left[s:e])


def _rails(adapter: Path | None) -> Rails:
    home = Path(tempfile.mkdtemp(prefix="rails-bench-"))
    put_in_force(home, adapter)
    settings = Settings(home=home)
    return Rails.open(settings, load_classifier(settings.embedder, home))


def _say(what: str, text: str) -> None:
    sys.stderr.write(f"{what}: {text[:200]}\n")
