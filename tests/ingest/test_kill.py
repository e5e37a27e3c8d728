"""A killed run loses nothing, doubles nothing, and shows nothing half done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.db.models import ChunkRow, Document, DocumentVersion, IngestRun
from core.db.session import Database
from core.settings import load_settings
from tests.ingest.store import check_whole, sources

PAGES = 40
"""More than two transactions take, whatever is ready together."""


@pytest.fixture
def pages(docs: Path) -> Path:
    for number in range(PAGES):
        (docs / f"page{number:02}.md").write_text(f"# Page {number}\n\nOffice {number} opens at {number} o'clock.\n")
    return docs


def attest(home: Path, *arguments: str, failpoint: str | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "ATTEST_HOME": str(home)} | ({"ATTEST_FAILPOINT": failpoint} if failpoint else {})
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=240)


@pytest.mark.parametrize("failpoint", ["ingest.before_commit:2", "sql.before_commit:3", "ingest.after_commit:1"])
def test_the_next_run_completes_what_a_kill_cut_short(pages: Path, tmp_path: Path, failpoint: str) -> None:
    home = tmp_path / "home"
    killed = attest(home, "ingest", str(pages), "--json", failpoint=failpoint)
    assert killed.returncode == -signal.SIGKILL
    settings = load_settings(home)
    database = Database.open(settings)
    check_whole(database, settings)
    before = sources(database)
    assert 0 < len(before) < PAGES

    finished = attest(home, "ingest", str(pages), "--json")
    report = json.loads(finished.stdout)

    assert finished.returncode == 0
    assert report["failed"] == []
    assert (report["unchanged"], report["added"]) == (len(before), PAGES - len(before))
    assert sources(database) == sorted(page.name for page in pages.iterdir())
    check_whole(database, settings)
    with database.read() as session:
        for table in (Document, DocumentVersion):
            assert session.scalar(select(func.count()).select_from(table)) == PAGES
        assert session.scalar(select(func.count()).select_from(ChunkRow)) == PAGES
        states = session.scalars(select(IngestRun.state).order_by(IngestRun.started_at)).all()
    assert states[-1] == "done"
    database.close()


def test_a_second_run_over_unchanged_files_loads_no_model(pages: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    attest(home, "ingest", str(pages), "--json")
    code = (
        "import sys; sys.argv = ['attest', 'ingest', sys.argv[1], '--json']\n"
        "from app.cli import run\n"
        "assert run(sys.argv[1:]) == 0\n"
        "heavy = {'torch', 'transformers', 'unstructured', 'faiss', 'tokenizers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "ATTEST_HOME": str(home)}
    second = subprocess.run([sys.executable, "-c", code, str(pages)], env=environment, capture_output=True, check=False)
    assert second.returncode == 0, second.stderr.decode()
    assert json.loads(second.stdout)["unchanged"] == PAGES


def test_interrupting_keeps_what_is_committed(pages: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "ATTEST_HOME": str(home), "ATTEST_FAILPOINT": "none"}
    code = (
        "import os, signal, sys\n"
        "import ingest.committing as committing\n"
        "whole = committing.commit_documents\n"
        "count = 0\n"
        "def commit(*arguments):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == 2:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return whole(*arguments)\n"
        "committing.commit_documents = commit\n"
        "from app.cli import run\n"
        "sys.exit(run(['ingest', sys.argv[1], '--json']))\n"
    )
    stopped = subprocess.run(
        [sys.executable, "-c", code, str(pages)], env=environment, capture_output=True, check=False
    )
    assert stopped.returncode == 130, stopped.stderr.decode()
    assert b"interrupted" in stopped.stderr
    assert json.loads(stopped.stdout)["state"] == "interrupted"
    settings = load_settings(home)
    database = Database.open(settings)
    check_whole(database, settings)
    assert 0 < len(sources(database)) < PAGES
    database.close()
