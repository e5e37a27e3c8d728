import os
import signal
import subprocess
import sys
import time

import pytest

from core.errors import InvalidInput
from evals.answers import filters_of
from evals.cases import Case
from evals.home import throwaway_home
from evals.store import Store, documents_below
from generation.tasks import find_task
from models.adapter_files import adapter_folder
from retriever.glossary import glossary_of


@pytest.fixture
def operator_home(tmp_path, monkeypatch):
    home = tmp_path / "operator"
    home.mkdir()
    (home / "attest.toml").write_text('[storage]\ndatabase_url = "postgresql://real/data"\n[retrieval]\nk = 5\n')
    monkeypatch.setenv("ATTEST_HOME", str(home))
    monkeypatch.delenv("ATTEST_CONFIG", raising=False)
    return home


def test_a_measurement_has_the_operators_settings_and_a_store_of_its_own(operator_home, monkeypatch):
    monkeypatch.setenv("ATTEST_RETRIEVAL__CANDIDATES", "77")
    with throwaway_home() as settings:
        assert (settings.retrieval.k, settings.retrieval.candidates) == (5, 77)
        assert settings.home != operator_home
        assert settings.database_url == f"sqlite:///{settings.home / 'attest.db'}"
        (settings.home / "attest.db").write_text("x")
        folder = settings.home
    assert not folder.exists()
    assert [path.name for path in operator_home.iterdir()] == ["attest.toml"]


def test_a_measurement_has_what_the_operators_home_holds_beside_documents(operator_home, monkeypatch):
    monkeypatch.setenv("ATTEST_GENERATION__EXAMPLES", "worked.jsonl")
    monkeypatch.setenv("ATTEST_RETRIEVAL__INDEX", "milvus")
    (operator_home / "glossary.txt").write_text("pto = annual leave\n")
    (operator_home / "calibration.json").write_text("{}")
    (operator_home / "adapters" / "domain" / "v1").mkdir(parents=True)
    (operator_home / "adapters" / "domain" / "current").write_text("v1")
    (operator_home / "adapters" / "domain" / "v1" / "card.json").write_text("{}")
    (operator_home / "tasks" / "ours").mkdir(parents=True)
    (operator_home / "tasks" / "ours" / "task.json").write_text('{"method": "ptune"}')
    (operator_home / "attest.db").write_text("documents")
    with throwaway_home() as settings:
        assert glossary_of(settings.home).meaning("how much PTO") == "annual leave"
        assert (settings.home / "calibration.json").read_text() == "{}"
        assert adapter_folder("domain", settings.home).name == "v1"
        assert find_task("ours", settings.home).method == "ptune"
        assert settings.home / settings.generation.examples == operator_home / "worked.jsonl"
        assert settings.retrieval.index == "memory"
        assert not (settings.home / "attest.db").exists()
    with throwaway_home(calibrated=False) as settings:
        assert not (settings.home / "calibration.json").exists()
        assert (settings.home / "glossary.txt").exists()
    assert (operator_home / "adapters" / "domain" / "v1" / "card.json").exists()


def test_an_address_of_a_database_in_the_environment_is_not_used(operator_home, monkeypatch):
    monkeypatch.setenv("ATTEST_STORAGE__DATABASE_URL", "postgresql://real/data")
    with throwaway_home() as settings:
        assert settings.database_url.startswith("sqlite:///")


def test_a_measurement_told_to_stop_leaves_no_documents(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "tmp").mkdir()
    for number in range(5000):  # many enough not to be done before it is told
        (tmp_path / "docs" / f"{number}.md").write_text(f"Rule {number} on annual leave holds in room {number}.")
    command = [sys.executable, "-m", "app.cli", "eval", "make", "--docs", tmp_path / "docs", "--out", tmp_path / "q"]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "ATTEST_HOME": str(tmp_path / "home")}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "tmp").glob("attest-eval-*/attest.db")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list((tmp_path / "tmp").glob("attest-eval-*")) == []


def test_questions_are_never_ingested(tmp_path):
    for name in (
        "docs/a.md",
        "docs/b.txt",
        "questions.dev.jsonl",
        "pages.jsonl",
        "README.md",
        "docs/README.md",
        ".hidden",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    found = documents_below(tmp_path, tmp_path / "questions.dev.jsonl")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["docs/README.md", "docs/a.md", "docs/b.txt"]
    with pytest.raises(InvalidInput, match="does not exist"):
        documents_below(tmp_path / "nowhere", tmp_path / "questions.dev.jsonl")


SOURCES = {
    "/d/18f/md/leave.md": "1",
    "/d/18f/html/leave.md": "2",
    "/d/xquad_docs/en/Bowl.md": "3",
    "/d/xquad_docs/de/Bowl.md": "4",
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("18f/md/leave.md", ("1",)),
        ("/d/18f/md/leave.md", ("1",)),
        ("leave.md", ("1", "2")),
        ("xquad/en/Bowl.md", ("3",)),
        ("other/leave.md", ()),
        ("xleave.md", ()),
        ("nowhere/deep/leave.md", ()),
    ],
)
def test_a_rows_document_is_found_by_the_end_of_its_path(name, expected):
    assert Store(None, SOURCES).find(name) == expected


def test_a_scope_keeps_to_the_documents_of_the_rows_value():
    store = Store(None, {"p1": "1", "p2": "2"}, {"p1": {"company": "acme"}, "p2": {"company": "other"}})
    row = Case("q", "?", (), True, (), fields={"company": "acme"})
    assert filters_of(row, store, "company").document_ids == ("1",)
    assert filters_of(row, store, None).document_ids is None
    named = Case("q", "?", (), True, (), fields={"company": "unknown", "doc": "p2"})
    assert filters_of(named, store, "company").document_ids == ("2",)
    absent = Case("q", "?", (), False, (), fields={"company": "gone", "doc": "p9"})
    assert filters_of(absent, store, "company").document_ids == ()
    unnamed = Case("q", "?", (), False, (), fields={"doc": None})
    assert filters_of(unnamed, store, "doc").document_ids is None
    with pytest.raises(InvalidInput, match="no field"):
        filters_of(row, store, "region")
