"""Parsing speed: parse + clean + chunk of PDFs against bare text extraction and against `unstructured` fast.

One core, processor time, interleaved file by file, so that a busy machine slows all alike.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.settings import load_settings
from ingest.chunk import chunk
from ingest.clean import assemble
from ingest.parsers.dispatch import parse
from ingest.parsers.request import ParseRequest
from ingest.tokens import TokenCounter
from models.encoder import Encoder, load_encoder

UNSTRUCTURED_MAX_PAGES = 30
"""It reads 10 to 20 pages a second: only the short files are given to it."""


def processor_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time a piece of work took and its result: a busy machine does not change it much."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def bare_pages(path: Path) -> int:
    """Extract the text of every page of a PDF and do nothing with it."""
    import pypdfium2

    pdf = pypdfium2.PdfDocument(str(path))
    pages = len(pdf)
    for index in range(pages):
        page = pdf[index]
        textpage = page.get_textpage()
        textpage.get_text_range()
        textpage.close()
        page.close()
    pdf.close()
    return pages


def our_pages(path: Path, tokens: TokenCounter, encoder: Encoder) -> int:
    """Parse, clean and chunk a PDF in this process."""
    settings = load_settings(Path("/nonexistent")).ingest
    with tempfile.TemporaryDirectory() as spool:
        raw = parse(ParseRequest(path, path.name, Path(spool), 60.0, ocr=False))
        chunk(assemble(raw, path.stem), settings, tokens, encoder.max_tokens)
    return raw.pages


def bench_parse(folder: Path, runs: int) -> dict[str, Any]:
    """Interleave bare extraction with ours over every PDF of a folder."""
    encoder = load_encoder(load_settings(Path("/nonexistent")).embedder)
    tokens = TokenCounter(encoder.token_spans)
    files = sorted(folder.rglob("*.pdf"))
    our_pages(files[0], tokens, encoder)  # imports
    gc.freeze()  # torch's objects are not walked again in a run that does not make them
    rows: dict[Path, list[tuple[float, float, int]]] = {path: [] for path in files}
    for _ in range(runs):
        for path in files:
            bare, pages = processor_seconds(lambda path=path: bare_pages(path))
            ours, _ = processor_seconds(lambda path=path: our_pages(path, tokens, encoder))
            rows[path].append((bare, ours, pages))
    pages = sum(found[0][2] for found in rows.values())
    bare = sum(statistics.median(row[0] for row in found) for found in rows.values())
    ours = sum(statistics.median(row[1] for row in found) for found in rows.values())
    by_file = {path.name: round(statistics.median(row[0] / row[1] for row in found), 3) for path, found in rows.items()}
    return {
        "files": len(files),
        "pages": pages,
        "bare_pages_s": round(pages / bare),
        "our_pages_s": round(pages / ours),
        "ratio": round(bare / ours, 3),
        "ratio_by_file": by_file,
        **_against_unstructured(files, rows, tokens, encoder),
    }


def _against_unstructured(
    files: list[Path], rows: dict[Path, list[tuple[float, float, int]]], tokens: TokenCounter, encoder: Encoder
) -> dict[str, Any]:
    try:
        from ingest.parsers.other import offer_language_model

        offer_language_model()
        from unstructured.partition.pdf import partition_pdf
    except ImportError as error:
        return {"unstructured": f"not measured: {error}"}
    ours = theirs = 0.0
    pages = 0
    for path in files:
        count = rows[path][0][2]
        if count > UNSTRUCTURED_MAX_PAGES:
            continue
        seconds, elements = processor_seconds(lambda path=path: partition_pdf(str(path), strategy="fast"))
        if not elements:
            return {"unstructured": "not measured: it returned nothing"}
        theirs += seconds
        ours += processor_seconds(lambda path=path: our_pages(path, tokens, encoder))[0]
        pages += count
    return {
        "unstructured_pages": pages,
        "unstructured_fast_pages_s": round(pages / theirs, 1),
        "our_pages_s_same_files": round(pages / ours, 1),
        "times_unstructured": round(theirs / ours, 1),
    }
