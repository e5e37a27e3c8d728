"""Documents that are ready together share a transaction; what becomes of each is what it would be alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.blobs import NO_BLOB
from core.db.models import Change, Document, IngestFailure
from core.db.session import Database
from core.settings import Settings
from ingest.committing import MAX_DOCUMENTS, Committer
from ingest.known import Known
from ingest.parse import MAX_DEPTH
from ingest.prepare import Preparer
from ingest.prepared import Prepared
from ingest.report import IngestOptions, IngestReport, Silent, TextRecord
from ingest.runs import RunRecord
from ingest.sketch import sketch_of
from ingest.texts import document_of
from ingest.walk import Source
from models.encoder import Encoder
from tests.ingest.conftest import Run
from tests.ingest.samples import zipped

WORDS = " ".join(f"word{number}" for number in range(200))


class Told(Silent):
    """Notes what is told as committed, and whether it was in the store by then."""

    def __init__(self, database: Database) -> None:
        self.database, self.sources = database, list[str]()

    def committed(self, source: str) -> None:
        assert source in live(self.database)
        self.sources.append(source)


class Bench:
    """A committer over an empty store, and documents to give it."""

    def __init__(self, database: Database, settings: Settings, encoder: Encoder) -> None:
        self.database, self.told = database, Told(database)
        self.report: IngestReport = RunRecord.start(database, settings, IngestOptions()).report
        self.preparer = Preparer(database, "default", settings, lambda: encoder, Known(database, "default"))
        self.committer = Committer(self.report, IngestOptions(), self.told, database, settings, self.preparer)

    def ready(self, name: str, text: str, supersedes: str | None = None) -> Prepared:
        document = document_of(TextRecord(name, text, title=name))
        document.metadata = {"supersedes": supersedes} if supersedes else {}
        prepared = self.preparer.prepare(Source(name, Path(), name), document, NO_BLOB)
        prepared.sketch = sketch_of(document.text)
        return prepared


@pytest.fixture
def bench(database: Database, settings: Settings, encoder: Encoder) -> Bench:
    return Bench(database, settings, encoder)


def live(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Document.source).where(Document.state == "live")))


def transactions(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Change).where(Change.op == "access")) or 0


def test_a_group_is_one_transaction_and_told_after_it(bench: Bench, database: Database) -> None:
    for name in ("a", "b", "c"):
        bench.committer.add(bench.ready(name, f"This is the page of {name}."))
    assert (live(database), bench.told.sources, bench.report.added) == (set(), [], 0)
    bench.committer.flush()
    assert (live(database), bench.told.sources, bench.report.added) == ({"a", "b", "c"}, ["a", "b", "c"], 3)
    assert transactions(database) == 1


def test_a_group_is_bounded(bench: Bench, database: Database) -> None:
    for number in range(MAX_DOCUMENTS + 1):
        bench.committer.add(bench.ready(f"{number}", f"This is page number {number}."))
    assert len(live(database)) == MAX_DOCUMENTS
    bench.committer.flush()
    assert len(live(database)) == MAX_DOCUMENTS + 1


def test_copies_within_a_group_are_told_as_such(bench: Bench, database: Database) -> None:
    for name, text in (("one", WORDS), ("near", WORDS + " and more"), ("copy", WORDS), ("other", "Another page.")):
        bench.committer.add(bench.ready(name, text))
    bench.committer.flush()
    with database.read() as session:
        rows = {row.source: row for row in session.scalars(select(Document))}
    first = rows["one"].key
    assert {name: row.near_duplicate_of for name, row in rows.items() if row.near_duplicate_of} == {"near": first}
    assert {name: row.duplicate_of for name, row in rows.items() if row.duplicate_of} == {"copy": first}
    assert (bench.report.near_duplicates, bench.report.duplicates) == (1, 1)


def test_one_that_is_refused_costs_no_other(bench: Bench, database: Database) -> None:
    bench.committer.add(bench.ready("old.md", "The first words."))
    bench.committer.flush()
    bench.committer.add(bench.ready("new.md", "The second words.", supersedes="old.md"))
    bench.committer.add(bench.ready("old.md", "The third words.", supersedes="new.md"))
    bench.committer.add(bench.ready("c.md", "Words of their own."))
    bench.committer.flush()
    assert live(database) == {"old.md", "new.md", "c.md"}
    assert [(failure.source, failure.error) for failure in bench.report.failed] == [("old.md", "Conflict")]
    assert (bench.report.added, bench.report.updated) == (3, 0)
    with database.read() as session:
        assert session.scalars(select(IngestFailure.source)).all() == ["old.md"]


def test_an_archive_nested_too_deeply_says_so(run: Run, docs: Path) -> None:
    content = zipped(**{"note.md": "# Note\n\nWords.\n"})
    for _ in range(MAX_DEPTH):
        content = zipped(**{"in.zip": content})
    (docs / "deep.zip").write_bytes(content)
    failed = {failure.source.count("!/"): failure.message for failure in run().failed}
    assert "nested too deeply" in failed[MAX_DEPTH - 1]
