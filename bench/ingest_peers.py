"""Whole pipelines side by side on one folder: ours, LangChain's and haystack's usual ones, with the same encoder.

Ours does more: a sandbox, exact and near duplicates, headings and tables, durable commits, a full-text
index. LangChain: `DirectoryLoader` (unstructured) + `RecursiveCharacterTextSplitter` + FAISS. haystack: converters by
file type + `DocumentSplitter` + embedder + `InMemoryDocumentStore`, which forgets all when the process ends;
`haystack_saved` is the same and then writes its store to disk, once, without waiting for the disk. Runs are
interleaved. `encoder` says who embeds: `none`, vectors cost nothing; `shared`, our encoder for all; `own`, ours with
ours and the peers with sentence-transformers over the same weights, as their own components embed.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.db.session import Database
from core.settings import load_settings
from evals.cases import read_rows
from ingest.containers import INSIDE
from ingest.report import IngestOptions
from ingest.run import ingest
from models.encoder import Encoder, load_encoder
from models.sentence import SentenceModel
from models.sources import find_weights

SUFFIXES = (".md", ".html", ".docx", ".txt")
"""Of the handbooks."""
MIXED = (*SUFFIXES, ".pdf", ".pptx", ".xlsx", ".csv")
"""What all three read with converters of their own; haystack has none for mail."""
OFFICE = "application/vnd.openxmlformats-officedocument"
MAX_FAILED_SHARE = 0.05
CHARACTERS, OVERLAP = 1000, 150
"""The usual sizes in LangChain's own examples; about the length of our passages."""

Embedding = Literal["none", "shared", "own"]


class NoEncoder:
    """Takes the encoder's cost out: the same tokens, vectors that cost nothing."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.revision, self.dimension = encoder.name, encoder.revision, encoder.dimension
        self.max_tokens, self.token_spans = encoder.max_tokens, encoder.token_spans
        self.tokenizer_file = encoder.tokenizer_file

    def encode(self, texts: Sequence[str], kind: str, on_batch: Any = None) -> Any:
        """Return equal unit vectors."""
        return np.full((len(texts), self.dimension), self.dimension**-0.5, dtype=np.float32)


Made = tuple[int, int]
"""Passages, and files that gave any."""


def handbook_files(folder: Path, every: int) -> list[Path]:
    """Return every n-th page of the handbooks."""
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)[::every]


def mixed_files(data: Path, every: int, pages: int) -> list[Path]:
    """Return what a shared drive holds: files of the format set that are whole, filings, every n-th handbook page.

    Filings beyond a number of pages are left out: one of the peers reads four pages a second. So are PDFs of the
    format set: another ends its run at the first file that it cannot read; and so are monsters.
    """
    import pypdfium2

    rows = read_rows(data / "formats" / "manifest.jsonl")
    found = [data / "formats" / str(row["file"]) for row in rows if row["expect"] == "text" and not row.get("password")]
    kinds = set(MIXED) - {".pdf"}
    found = [path for path in found if path.suffix in kinds and not path.name.startswith("huge_")]
    filings = sorted((data / "financebench" / "docs").glob("*.pdf"))
    found += [path for path in filings if len(pypdfium2.PdfDocument(path)) <= pages]
    return found + handbook_files(data / "handbook", every)


def bench_peers(
    files: list[Path], runs: int, embedding: Embedding = "none", beside: Sequence[str] = ("haystack",)
) -> dict[str, Any]:
    """Time documents/s of each pipeline; one warm-up run on a few files of each kind pays for imports."""
    ours, theirs = _encoders(embedding)
    first = [path for kind in MIXED for path in [path for path in files if path.suffix == kind][:2]]
    pipelines: dict[str, Callable[[list[Path], Any, Path], Made]] = {"attest": _attest}
    missing = {}
    for name, pipeline in ((name, PEERS[name]) for name in beside):
        try:
            _timed(pipeline, first, theirs)
            pipelines[name] = pipeline
        except ImportError as error:
            missing[name] = f"not measured: {error}"
    _timed(_attest, first, ours)
    seconds: dict[str, list[float]] = {name: [] for name in pipelines}
    worked: dict[str, list[float]] = {name: [] for name in pipelines}
    made: dict[str, Made] = {}
    for _ in range(runs):
        for name, pipeline in pipelines.items():
            before = _processor_s()
            made[name], took = _timed(pipeline, files, ours if name == "attest" else theirs)
            seconds[name].append(took)
            worked[name].append(_processor_s() - before)
    result: dict[str, Any] = {"files": len(files), "encoder": embedding, **missing}
    result |= {"chunks": {name: one[0] for name, one in made.items()}}
    result |= {"files_that_gave_text": {name: one[1] for name, one in made.items()}}
    for name, times in seconds.items():
        result[f"{name}_documents_s"] = round(len(files) / statistics.median(times), 1)
        result[f"{name}_processor_ms_a_document"] = round(1000 * statistics.median(worked[name]) / len(files), 2)
        if name != "attest":
            ratios = [peer / own for own, peer in zip(seconds["attest"], times, strict=True)]
            result[f"times_{name}"] = round(statistics.median(ratios), 2)
    return result


def _encoders(embedding: Embedding) -> tuple[Any, Any]:
    """Return what our pipeline embeds with, and the peers'."""
    settings = load_settings(Path("/nonexistent")).embedder
    encoder = load_encoder(settings)
    if embedding == "own":
        return encoder, SentenceModel(find_weights(settings.model), "cpu", settings.batch_size)
    used: Any = encoder if embedding == "shared" else NoEncoder(encoder)
    return used, used


def _processor_s() -> float:
    """Return the processor time of this process and of the parsers that have ended, deleting of folders included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _timed(pipeline: Callable[[list[Path], Any, Path], Made], files: list[Path], encoder: Any) -> tuple[Made, float]:
    """Return what a pipeline made and its seconds; the folder it wrote to is deleted when the clock has stopped."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        made = pipeline(files, encoder, Path(folder))
        return made, time.perf_counter() - began


def _attest(files: list[Path], encoder: Any, folder: Path) -> Made:
    settings = load_settings(folder)
    database = Database.open(settings)
    report = ingest(files, IngestOptions(), database=database, settings=settings, encoder=encoder)
    database.close()
    if len(report.failed) > MAX_FAILED_SHARE * len(files):
        raise RuntimeError(f"{len(report.failed)} of {len(files)} files failed: {report.failed[0]}")
    return report.chunks, len(files) - len({failure.source.partition(INSIDE)[0] for failure in report.failed})


def _langchain(files: list[Path], encoder: Any, folder: Path) -> Made:
    import faiss
    from langchain_community.document_loaders import DirectoryLoader
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    from ingest.parsers.other import offer_language_model

    offer_language_model()
    for number, path in enumerate(files):
        (folder / f"{number:05}-{path.name}").symlink_to(path)
    documents = DirectoryLoader(str(folder), silent_errors=True).load()
    splitter = RecursiveCharacterTextSplitter(chunk_size=CHARACTERS, chunk_overlap=OVERLAP)
    pieces = splitter.split_documents(documents)
    texts = [piece.page_content for piece in pieces]
    index = faiss.IndexFlatIP(encoder.dimension)
    index.add(encoder.encode(texts, "document"))
    return int(index.ntotal), len({piece.metadata["source"] for piece in pieces})


def _haystack(files: list[Path], encoder: Any, _: Path) -> Made:
    return _made(_haystack_store(files, encoder))


def _haystack_saved(files: list[Path], encoder: Any, folder: Path) -> Made:
    store = _haystack_store(files, encoder)
    store.save_to_disk(str(folder / "store.json"))
    return _made(store)


def _made(store: Any) -> Made:
    documents = store.storage.values()
    return len(documents), len({document.meta["file_path"] for document in documents})


def _haystack_store(files: list[Path], encoder: Any) -> Any:
    from haystack import Pipeline
    from haystack.components import converters as made_for
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.preprocessors import DocumentCleaner, DocumentSplitter
    from haystack.components.routers import FileTypeRouter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from bench.haystack_embed import Embed

    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    converters = {
        "text/markdown": made_for.MarkdownToDocument(progress_bar=False, store_full_path=True),
        "text/html": made_for.HTMLToDocument(store_full_path=True),
        "text/plain": made_for.TextFileToDocument(store_full_path=True),
        "text/csv": made_for.CSVToDocument(store_full_path=True),
        "application/pdf": made_for.PyPDFToDocument(store_full_path=True),
        f"{OFFICE}.wordprocessingml.document": made_for.DOCXToDocument(store_full_path=True),
        f"{OFFICE}.presentationml.presentation": made_for.PPTXToDocument(store_full_path=True),
        f"{OFFICE}.spreadsheetml.sheet": made_for.XLSXToDocument(store_full_path=True),
    }
    pipeline = Pipeline()
    pipeline.add_component("route", FileTypeRouter(mime_types=list(converters)))
    pipeline.add_component("join", DocumentJoiner())
    for number, (kind, converter) in enumerate(converters.items()):
        pipeline.add_component(f"convert{number}", converter)
        pipeline.connect(f"route.{kind}", f"convert{number}.sources")
        pipeline.connect(f"convert{number}.documents", "join.documents")
    pipeline.add_component("clean", DocumentCleaner())
    pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=160, split_overlap=20))
    pipeline.add_component("embed", Embed(encoder))
    pipeline.add_component("write", DocumentWriter(store))
    for before, after in (("join", "clean"), ("clean", "split"), ("split", "embed"), ("embed", "write")):
        pipeline.connect(f"{before}.documents", f"{after}.documents")
    pipeline.run({"route": {"sources": files}})
    return store


PEERS: dict[str, Callable[[list[Path], Any, Path], Made]] = {
    "langchain": _langchain,
    "haystack": _haystack,
    "haystack_saved": _haystack_saved,
}
