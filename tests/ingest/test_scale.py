"""A Dask cluster gives the same store as one process, also when a worker is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import select

from core.db.models import ChunkRow, Document, EmbeddingRow
from core.db.session import Database
from core.errors import InvalidInput
from core.settings import Settings, load_settings
from ingest.report import IngestOptions, Silent
from ingest.run import ingest
from ingest.scale import DaskPool
from models.encoder import Encoder

distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")
LocalCluster = distributed.LocalCluster


def content(database: Database) -> set[tuple[str, str, str]]:
    with database.read() as session:
        rows = session.execute(
            select(Document.source, ChunkRow.heading, ChunkRow.text).join(
                Document, Document.key == ChunkRow.document_key
            )
        ).all()
        assert len(session.scalars(select(EmbeddingRow.chunk_id)).all()) == len(rows)
        return {(source, heading, text) for source, heading, text in rows}


def test_what_is_no_address_of_a_scheduler_is_refused(settings: Settings) -> None:
    with pytest.raises(InvalidInput, match="tcp://HOST:PORT"):
        DaskPool(settings, "nonsense", 1, str)


@pytest.mark.slow
def test_two_workers_make_the_same_chunks(
    docs: Path, tmp_path: Path, settings: Settings, database: Database, encoder: Encoder
) -> None:
    for number in range(6):
        (docs / f"{number}.md").write_text(f"# Page {number}\n\n" + f"Sentence about topic {number}. " * 60)
    (docs / "broken.docx").write_bytes(b"PK\x03\x04 broken")
    ingest([docs], IngestOptions(workers=1), database=database, settings=settings, encoder=encoder)
    other_settings = load_settings(tmp_path / "other")
    other = Database.open(other_settings)
    options = IngestOptions(scheduler="local", workers=2)
    report = ingest([docs], options, database=other, settings=other_settings, encoder=encoder)
    assert (report.added, [failure.error for failure in report.failed]) == (6, ["Unparseable"])
    assert content(other) == content(database)
    other.close()


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_nothing(
    docs: Path, tmp_path: Path, settings: Settings, database: Database, encoder: Encoder
) -> None:
    for number in range(12):
        (docs / f"{number:02}.md").write_text(f"# Page {number}\n\n" + f"Sentence about topic {number}. " * 200)
    ingest([docs], IngestOptions(workers=1), database=database, settings=settings, encoder=encoder)
    other_settings = load_settings(tmp_path / "other")
    other = Database.open(other_settings)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path))
    killed: list[int] = []

    class Killer(Silent):
        """Kills a worker once two documents are in the store."""

        committed_so_far = 0

        def committed(self, source: str) -> None:
            self.committed_so_far += 1
            if self.committed_so_far == 2:
                victim = next(iter(cluster.workers.values())).pid
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    try:
        options = IngestOptions(scheduler=cluster.scheduler_address, workers=2)
        parts = {"database": other, "settings": other_settings, "encoder": encoder}
        report = ingest([docs], options, progress=Killer(), **parts)  # type: ignore[arg-type]
    finally:
        cluster.close()
    assert len(killed) == 1
    assert (report.added, report.failed) == (12, [])
    assert content(other) == content(database)
    other.close()
