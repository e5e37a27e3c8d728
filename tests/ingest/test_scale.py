"""A Dask cluster gives the same store as one process, also when a worker is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from core.db.models import ChunkRow, Document, EmbeddingRow
from core.db.session import Database
from core.settings import Settings, load_settings
from ingest.report import IngestOptions
from ingest.run import ingest
from models.encoder import Encoder

pytest.importorskip("distributed", reason="the dask extra is not installed")


def content(database: Database) -> set[tuple[str, str, str]]:
    with database.read() as session:
        rows = session.execute(
            select(Document.source, ChunkRow.heading, ChunkRow.text).join(
                Document, Document.key == ChunkRow.document_key
            )
        ).all()
        assert len(session.scalars(select(EmbeddingRow.chunk_id)).all()) == len(rows)
        return {(source, heading, text) for source, heading, text in rows}


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
