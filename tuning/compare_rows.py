"""What a comparison is run over: held-out rows, each with the worked examples most like it, and the variants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from core.settings import Settings
from generation.brief import Shot
from generation.shots import ShotBook, read_shots
from generation.tasks import TASK_FILE
from tuning.judge import Variant
from tuning.ptune_rows import read_rows
from tuning.task_store import best_of

BOOK = 300
"""Examples of a curated set at most: more are not read over by a person."""
SHORT = 1200
"""Characters of an example's passages: longer ones eat the window of a small model."""
SHOT_TOKENS = 6000


def held_out_rows(test: Path, examples: Path, settings: Settings, *, most: int, limit: int) -> list[dict[str, Any]]:
    """Return the held-out rows with `shots`, chosen as serving chooses them."""
    from models.encoder import load_encoder

    shots = [shot for shot in read_shots(examples) if sum(len(shown.text) for shown in shot.passages) <= SHORT][:BOOK]
    encoder = load_encoder(settings.embedder)
    book = ShotBook(shots, lambda texts: encoder.encode(texts, "query"))
    rows = read_rows(test, limit)
    return [{**row, "shots": [_row(shot) for shot in book.choose(row["question"], most, SHOT_TOKENS)]} for row in rows]


def _row(shot: Shot) -> dict[str, Any]:
    passages = [{"title": shown.title, "text": shown.text} for shown in shot.passages]
    return {"question": shot.question, "passages": passages, "target": shot.reply}


def variants_of(runs: Sequence[str], shots: Sequence[int]) -> list[Variant]:
    """Return zero-shot, few-shot by count, and each run by what it trained.

    Raises:
        InvalidInput: a run is not NAME=FOLDER of a finished run.
    """
    variants = [Variant("zero-shot"), *(Variant(f"few-shot-{count}", shots=count) for count in shots)]
    for item in runs:
        name, _, folder = item.partition("=")
        best = best_of(Path(folder))
        if not name or not (best / TASK_FILE).is_file():
            raise InvalidInput(f"{item!r} is not NAME=RUN with a finished run")
        card = json.loads((best / TASK_FILE).read_text(encoding="utf-8"))
        adapter, virtual = (str(best), None) if card["method"] == "lora" else (None, str(best))
        variants.append(Variant(name, card["prompt"], virtual=virtual, adapter=adapter))
    return variants
