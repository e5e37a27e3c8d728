"""Giants beside small documents, and what a person is told while a run goes on and at its end."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from core.settings import IngestSettings
from ingest import progress
from ingest.chunk import ChunkDraft, chunk
from ingest.cli import cli
from ingest.embed import EmbeddingStage
from ingest.parsed import ParsedDocument, Span
from ingest.prepared import Prepared
from ingest.progress import Tally
from ingest.report import Failure, IngestReport
from ingest.summary import SHOWN, summary
from ingest.tokens import TokenCounter
from ingest.walk import OWN_DATA, Source
from models.encoder import Encoder


def prepared(name: str, passages: int) -> Prepared:
    chunks = [ChunkDraft(n, n + 1, None, "", f"{name} {n}") for n in range(passages)]
    document = ParsedDocument("x", [], name, "text/plain", "text")
    vectors = np.zeros((passages, 2), dtype=np.float32)
    return Prepared(Source(name, Path(), name), document, "", chunks, vectors, list(range(passages)))


def test_a_giant_goes_on_and_does_not_keep_short_documents_waiting() -> None:
    all_there, done = threading.Event(), SimpleQueue[Prepared]()

    class Waits:
        def encode(self, texts: list[str], *_: Any) -> np.ndarray:
            assert all_there.wait(60)
            return np.ones((len(texts), 2), dtype=np.float32)

    stage = EmbeddingStage(Waits(), done.put, lambda error: None, lambda count: None)  # type: ignore[arg-type]
    stage.put(prepared("giant", 5000))
    for n in range(5):
        stage.put(prepared(f"short{n}", 20))
    all_there.set()
    ended = [done.get(timeout=60) for _ in range(6)]
    stage.close()
    assert [one.source.name for one in ended] == ["short0", "short1", "short2", "short3", "short4", "giant"]
    assert all(one.vectors.all() for one in ended)


def test_a_slow_machine_encodes_fewer_at_a_time_so_that_a_kill_loses_less(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, done, moment = list[int](), SimpleQueue[Prepared](), 0.0
    monkeypatch.setattr("ingest.embed.time", SimpleNamespace(perf_counter=lambda: moment))

    class Paced:
        def __init__(self, batch_s: float) -> None:
            self.batch_s = batch_s

        def encode(self, texts: list[str], *_: Any) -> np.ndarray:
            nonlocal moment
            sizes.append(len(texts))
            moment += self.batch_s
            return np.ones((len(texts), 2), dtype=np.float32)

    for batch_s in (2.0, 0.0):  # a first batch of 64 in a quarter of what one may take, and at once
        stage = EmbeddingStage(Paced(batch_s), done.put, lambda error: None, lambda count: None)  # type: ignore[arg-type]
        stage.put(prepared("giant", 500))
        done.get(timeout=60)
        stage.close()
    assert sizes[:2] == [64, 256]
    assert sizes[-2:] == [64, 436]


def test_what_pages_repeat_is_encoded_once() -> None:
    encoded, done = list[str](), SimpleQueue[Prepared]()

    class Counts:
        def encode(self, texts: list[str], *_: Any) -> np.ndarray:
            encoded.extend(texts)
            return np.array([[len(encoded) - len(texts) + n, 1] for n in range(len(texts))], dtype=np.float32)

    pages = [prepared("page", 3), prepared("page", 5), prepared("other", 2)]
    stage = EmbeddingStage(Counts(), done.put, lambda error: None, lambda count: None)  # type: ignore[arg-type]
    for page in pages:
        stage.put(page)
        done.get(timeout=60)
    stage.close()
    assert encoded == ["page 0", "page 1", "page 2", "page 3", "page 4", "other 0", "other 1"]
    assert [page.vectors[:, 0].tolist() for page in pages] == [[0, 1, 2], [0, 1, 2, 3, 4], [5, 6]]


def test_a_text_without_a_sentence_is_cut_between_its_words(encoder: Encoder) -> None:
    text = " ".join(f"word{n}" for n in range(30_000)) + " " + "x" * 3000
    document = ParsedDocument(text, [Span("text", 0, 0, len(text), None)], "Log", "text/plain", "text")
    counter = TokenCounter(encoder.token_spans)
    chunks = chunk(document, IngestSettings(), counter, encoder.max_tokens)
    assert all(counter.count(one.text) <= IngestSettings().chunk_tokens for one in chunks)
    assert "".join("".join(one.text for one in chunks).split()) == text.replace(" ", "")
    assert all(one.text.startswith("word") for one in chunks[:1000])


def test_the_time_left_is_told_once_it_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
    tally = Tally()
    tally.total = 100
    assert tally.doing() == "starting the parsers"
    tally.read = 1
    assert tally.doing() == "loading the embedding model"
    for tally.stored in range(1, 21):
        moment[0] += 2.0
        tally.mark()
        settled = tally.stored > 10
        assert bool(tally.left()) == settled, tally.stored
    assert tally.left() == "about 3 min left"


def test_failures_are_sorted_by_what_to_do_about_them() -> None:
    report = IngestReport("run", seen=40, added=8, chunks=20, seconds=3.2)
    report.failed = [Failure(f"/d/{n}.rar", "UnsupportedFormat", "permanent", "RAR") for n in range(SHOWN + 1)]
    report.failed.insert(0, Failure("/d/a.pdf", "Encrypted", "permanent", "the PDF needs a password"))
    lines = summary(report).splitlines()
    assert lines[0] == "40 looked at: 8 added, 22 failed; 20 passages in 3.2 s"
    assert lines[1].startswith("21 in a format that cannot be read")
    assert lines[SHOWN + 2] == "  … and 1 more (all of them: --json)"
    assert "--password" in lines[SHOWN + 3]
    assert lines[SHOWN + 4] == "  /d/a.pdf: the PDF needs a password"
    assert "attest ingest --retry" in lines[-1]


def test_what_is_left_out_for_good_is_not_said_to_be_read_once_named() -> None:
    report = IngestReport("r", left_out=[{"source": "/data/", "reason": OWN_DATA}])
    assert "the data folder of Attest itself and what lies in an archive are not" in summary(report)


def test_readers_that_are_named_are_said_to_replace_the_collections() -> None:
    said = " ".join(CliRunner().invoke(cli, ["--help"], terminal_width=200).output.replace("│", "").split())
    assert "in place of its collection's" in said
