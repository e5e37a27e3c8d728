"""Readers, writers and a deleter on one store at once, in threads and in processes."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import select

from app.doctor import examine
from bench.victim import WordEncoder, contents
from core.db.models import Document, DocumentVersion
from core.db.session import Database
from core.settings import Settings, load_settings
from core.types import OPERATOR, Query
from ingest.documents import delete_document, list_documents
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from retriever.retriever import Retriever
from tests.operations.test_kills import ROOT

SECONDS = 6.0


def write(database: Database, settings: Settings, source: str, number: int) -> None:
    record = TextRecord(source, f"{source} says number {number} of version{number}.")
    ingest_texts([record], IngestOptions(), database=database, settings=settings, encoder=WordEncoder())


def test_readers_writers_and_a_deleter_do_not_disturb_each_other(  # noqa: C901  five kinds of thread in one story
    database: Database, settings: Settings
) -> None:
    for number in range(10):
        write(database, settings, f"/d{number}", 0)
    retriever = Retriever.open(database, settings, WordEncoder())
    stop, errors, counts = threading.Event(), [], {"read": 0, "written": 0, "deleted": 0}
    gone: dict[str, float] = {}

    def forever(work) -> None:
        draw = random.Random(threading.get_ident())
        while not stop.is_set():
            try:
                work(draw)
            except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
                errors.append(repr(error))
                return

    def read(draw: random.Random) -> None:
        begun = time.monotonic()
        known = dict(gone)
        hits = retriever.retrieve(Query(f"number {draw.randrange(50)}"), OPERATOR).hits
        counts["read"] += 1
        for hit in hits:
            since = known.get(hit.chunk.document_id)
            assert since is None or since > begun, f"{hit.source} was shown after its deletion was acknowledged"

    def put(draw: random.Random) -> None:
        write(database, settings, f"/d{draw.randrange(20)}", draw.randrange(10**6))
        counts["written"] += 1

    def delete(draw: random.Random) -> None:
        rows = list_documents(database, OPERATOR)
        fresh = [row for row in rows if row["source"].startswith("/gone")]
        if fresh:
            chosen = draw.choice(fresh)["id"]
            delete_document(database, chosen, OPERATOR)
            gone[chosen] = time.monotonic()
            counts["deleted"] += 1
        write(database, settings, f"/gone{draw.randrange(10**9)}", draw.randrange(50))
        stop.wait(0.05)

    threads = [threading.Thread(target=forever, args=(work,)) for work in [read] * 8 + [put] * 2 + [delete]]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    deadline = time.monotonic() + 60  # a machine may have done nothing in that time
    while not errors and not min(counts.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    retriever.close()
    assert errors == []
    assert min(counts.values()) > 0
    with database.read() as session:
        for document in session.scalars(select(Document).where(Document.state == "live")):
            query = select(DocumentVersion).where(DocumentVersion.document_key == document.key)
            versions = session.scalars(query.order_by(DocumentVersion.version)).all()
            assert [one.version for one in versions] == list(range(1, document.version + 1))
            assert [one.superseded_at is None for one in versions] == [False] * (len(versions) - 1) + [True]
    assert [result for result in examine(settings) if not result.ok] == []


def test_two_processes_ingest_into_one_home(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(12):
        (documents / f"{number}.txt").write_text(f"Text {number} with word{number}.")
    script = """
import sys
from pathlib import Path
from bench.victim import Life
from core.settings import load_settings
folder, work = Path(sys.argv[1]), [["ingest", sys.argv[2].split(",")]]
Life(load_settings(folder / "home"), folder / "documents", folder / "copies", 1).run(work)
"""
    halves = (range(8), range(4, 12))  # four files are everybody's
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), ",".join(f"{n}.txt" for n in half)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for half in halves
    ]
    for process in running:
        _, problems = process.communicate(timeout=250)
        assert process.returncode == 0, problems.decode()[-2000:]
    settings = load_settings(tmp_path / "home")
    assert sorted(contents(settings)) == sorted(f"{number}.txt" for number in range(12))
    database = Database.open(settings)
    with database.read() as session:
        assert set(session.scalars(select(Document.version))) == {1}
    database.close()
    assert [result for result in examine(settings) if not result.ok] == []


def test_many_threads_make_one_new_store(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    errors: list[str] = []

    def open_it() -> None:
        try:
            Database.open(settings).close()
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            errors.append(repr(error))

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
