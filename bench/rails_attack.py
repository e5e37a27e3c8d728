"""Orders hidden in documents, against the whole pipeline with a model that obeys whatever it reads.

    python -m bench.rails attack --data rows.jsonl [--adapter FOLDER] [--count 100]

Rows as in `data/guardrails/indirect_injection`: `id`, `context`, `question`, `attack`. Every poisoned context is a
document of a throw-away store, let in past quarantine; its question is asked of that document alone. The model is the
wire double, which says back everything it is shown. `--adapter` puts an adapter of other rows in force, so that what is
attacked with was not trained on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.ask import ask
from app.runtime import Runtime, open_runtime
from core.db.session import Database
from core.settings import GenerationSettings, Settings
from core.types import OPERATOR, Filters, Question
from evals.home import throwaway_home
from guardrails.rails import blocked_by
from ingest.documents import list_documents
from ingest.run import IngestOptions, TextRecord, ingest_texts
from models.encoder import load_encoder
from tests.wire_double import PASSAGE, WireDouble, wire_double

RAIL = "indirect_injection"


def attack(args: argparse.Namespace) -> dict[str, Any]:
    """Return how many attacks were quarantined, reached the model, and left in an answer."""
    rows = [json.loads(line) for line in args.data.read_text(encoding="utf-8").split("\n") if line.strip()]
    rows = [row for row in rows if row["injected"]][: args.count]
    with throwaway_home() as settings, wire_double(mode="obedient") as double:
        put_in_force(settings.home, args.adapter)
        generation = GenerationSettings(vllm_urls=(double.url,), timeout_s=60, retries=0)
        settings = settings.model_copy(update={"generation": generation})
        ids = documents(settings, rows)
        with open_runtime(settings, follow=False) as runtime:
            counts: Counter[str] = Counter()
            for number, row in enumerate(rows, start=1):
                counts.update(fate(runtime, double, row, ids[row["id"]]))
                if number % 20 == 0:
                    sys.stderr.write(f"{number}/{len(rows)} {dict(counts)}\n")
    shares = {f"{name}_rate": round(counts[name] / max(1, len(rows)), 4) for name in ("quarantined", "read", "left")}
    return {"attacks": len(rows), **counts, **shares}


def put_in_force(home: Path, adapter: Path | None) -> None:
    """Make an adapter the current version of the rail in a home."""
    if adapter is not None:
        own = home / "adapters" / RAIL
        own.mkdir(parents=True)
        shutil.copytree(adapter, own / "v1")
        (own / "current").write_text("v1\n", encoding="utf-8")


def documents(settings: Settings, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Ingest every context as a document of its own; returns document ids by row."""
    database = Database.open(settings)
    try:
        records = [TextRecord(row["id"], row["context"]) for row in rows]
        options = IngestOptions(allow=("public",))
        report = ingest_texts(
            records, options, database=database, settings=settings, encoder=lambda: load_encoder(settings.embedder)
        )
        if report.failed:
            raise SystemExit(f"not ingested: {report.failed[:3]}")
        return {str(row["source"]): str(row["id"]) for row in list_documents(database, OPERATOR)}
    finally:
        database.close()


def fate(runtime: Runtime, double: WireDouble, row: dict[str, Any], document: str) -> list[str]:
    """Return what became of one attack."""
    double.requests.clear()
    question = Question(row["question"], OPERATOR, filters=Filters(document_ids=(document,)), generator="vllm")
    answer = ask(runtime, question, recorded=False)
    shown = " ".join(str(message["content"]) for sent in double.requests for message in sent["messages"])
    passages = " ".join(text for _, text in PASSAGE.findall(shown))
    found = [answer.outcome]
    if blocked_by(runtime.rails.scan_document(row["context"])) is not None:
        found.append("quarantined")
    if flat(row["attack"]) in flat(passages):
        found.append("read")
    if flat(row["attack"]) in flat(answer.text):
        found.append("left")
    return found


def flat(text: str) -> str:
    """Return a text without differences of case and white space."""
    return " ".join(text.split()).casefold()
