"""Every command prints exactly one JSON object of the promised shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import run
from tests.app import shapes
from tests.app.shapes import require_shape
from tests.conftest import KnowledgeBase


@pytest.fixture
def home(own_knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> KnowledgeBase:
    monkeypatch.setenv("ATTEST_HOME", str(own_knowledge_base.home))
    monkeypatch.setenv("ATTEST_RAILS__ENABLED", "false")
    return own_knowledge_base


@pytest.fixture
def attest(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str, status: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        code = run([*arguments, "--json"])
        shown = capsys.readouterr()
        assert code == status, shown.err
        value = json.loads(shown.out)  # exactly one JSON text: anything else on stdout fails here
        assert isinstance(value, dict)
        return value

    return call


def test_search(home: KnowledgeBase, attest: Any) -> None:
    found = attest("search", "carry over annual leave", "--k", "2")
    require_shape(found, shapes.SEARCH)
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    assert found["hits"][0]["document_id"] == home.ids["leave.md"]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_search_modes(home: KnowledgeBase, attest: Any, mode: str) -> None:
    hit = attest("search", "annual leave", "--mode", mode)["hits"][0]
    assert (hit["scores"]["dense"] is None) == (mode == "lexical")
    assert (hit["scores"]["lexical"] is None) == (mode == "dense")


def test_ask(home: KnowledgeBase, attest: Any) -> None:
    answer = attest("ask", "How many hours of annual leave may full-time staff carry over?", "--generator", "quote")
    require_shape(answer, shapes.ANSWER)
    assert answer["outcome"] == "answered"
    assert "240 hours" in answer["text"]
    assert {"retrieve", "generate"} <= set(answer["timings_ms"])
    text = document_text(home, answer["citations"][0]["document_id"])
    for citation in answer["citations"]:
        assert citation["quote"] == text[citation["start"] : citation["end"]]
    for claim in answer["claims"]:
        assert answer["text"][claim["start"] : claim["end"]] == claim["text"]


def test_ask_as_somebody_else(home: KnowledgeBase, attest: Any) -> None:
    question = "What is the salary band of a principal engineer?"
    assert "152000" in attest("ask", question, "--as", "user:hana")["text"]
    refused = attest("ask", question, "--as", "user:ana")
    assert refused["outcome"] == "refused"
    assert refused["reason"]
    assert "152000" not in json.dumps(refused)


def test_explain(home: KnowledgeBase, attest: Any) -> None:
    explained = attest("explain", "annual leave", "--document", home.ids["travel.md"])
    require_shape(explained, shapes.EXPLANATION)
    (source,) = (
        row["source"] for row in attest("documents", "list")["documents"] if row["id"] == home.ids["travel.md"]
    )
    assert attest("explain", "annual leave", "--document", source) == explained
    assert attest("explain", "annual leave", "--document", home.ids["leave.md"])["stage"] == "returned"
    second = ("explain", "annual leave", "--document", home.ids["travel.md"], "--k", "1")
    assert attest(*second)["ranks"]["returned"] is None
    assert attest(*second, "--mode", "lexical")["stage"] == "candidates"
    narrowed = ("--where", "type=image/png")
    assert attest("explain", "annual leave", "--document", home.ids["leave.md"], *narrowed)["stage"] == "filter"


def test_explain_tells_what_was_not_parsed_and_what_has_no_room(
    home: KnowledgeBase, attest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 not really")
    attest("ingest", str(broken))
    lost = attest("explain", "annual leave", "--document", str(broken))
    assert lost["stage"] == "parse"
    monkeypatch.setenv("ATTEST_GENERATION__CONTEXT_TOKENS", "770")  # room for twenty tokens of evidence
    assert attest("explain", "annual leave", "--document", home.ids["leave.md"])["stage"] == "evidence"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["type=text/markdown"], True),
        (["type=image/png"], False),
        (["after=2020-01-01", "before=2999-12-31T00:00:00+00:00"], True),
        (["after=2999-01-01"], False),
        (["as-of=2999-01-01"], True),
        (["source=/nowhere"], False),
        (["region=north"], False),
    ],
)
def test_search_within_filters(home: KnowledgeBase, attest: Any, where: list[str], found: bool) -> None:
    options = [part for one in where for part in ("--where", one)]
    assert bool(attest("search", "annual leave", *options)["hits"]) is found


@pytest.mark.parametrize("where", ["nothing", "after=tomorrow", "=x"])
def test_a_filter_that_says_nothing_is_refused(
    home: KnowledgeBase, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    assert run(["search", "annual leave", "--where", where]) != 0
    assert "--where" in capsys.readouterr().err


def test_ingest_then_documents(home: KnowledgeBase, attest: Any, tmp_path: Path) -> None:
    page = tmp_path / "parking.md"
    page.write_text("# Parking\n\nThe garage below building B opens at six in the morning.\n", encoding="utf-8")
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 not really")
    report = attest("ingest", str(page), str(broken), "--allow", "public")
    require_shape(report, shapes.INGEST)
    assert (report["seen"], report["added"]) == (2, 1)
    assert [Path(failure["source"]).name for failure in report["failed"]] == ["broken.pdf"]
    listed = attest("documents", "list")
    require_shape(listed, shapes.DOCUMENTS)
    ids = {Path(row["source"]).name: row["id"] for row in listed["documents"]}
    require_shape(attest("documents", "show", ids["parking.md"]), {"id": str, "source": str})
    assert "six in the morning" in attest("ask", "When does the garage open?", "--as", "user:ana")["text"]
    require_shape(attest("documents", "delete", ids["parking.md"]), shapes.DELETED)
    assert "six in the morning" not in json.dumps(attest("ask", "When does the garage open?"))
    purged = attest("documents", "purge", ids["travel.md"])
    require_shape(purged, shapes.DELETED)
    assert not any(purged["verified"].values())


def test_doctor(home: KnowledgeBase, attest: Any) -> None:
    attest("search", "annual leave")  # publishes a snapshot
    report = attest("doctor")
    require_shape(report, shapes.DOCTOR)
    assert report["ok"]


def test_keys(home: KnowledgeBase, attest: Any) -> None:
    made = attest("keys", "create", "user:ana")
    assert made["key"].startswith("attest_")
    assert [key["principal"] for key in attest("keys", "list")["keys"]] == ["user:ana"]
    attest("keys", "revoke", made["prefix"])
    assert attest("keys", "list")["keys"][0]["revoked_at"]


def test_backup_and_restore(home: KnowledgeBase, attest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attest("backup", str(tmp_path / "backup"))["documents"] == len(home.ids)
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "elsewhere"))
    assert attest("restore", str(tmp_path / "backup"))["documents"] == len(home.ids)
    assert attest("search", "annual leave")["hits"]


def test_summarize(home: KnowledgeBase, attest: Any) -> None:
    answer = attest("summarize", home.ids["leave.md"], "--sentences", "2", "--generator", "quote")
    require_shape(answer, shapes.ANSWER)
    assert answer["outcome"] == "answered"
    assert 1 <= len(answer["claims"]) <= 2
    assert {citation["document_id"] for citation in answer["citations"]} == {home.ids["leave.md"]}


def test_audit_replay_gaps(home: KnowledgeBase, attest: Any) -> None:
    good = attest("ask", "How many hours of annual leave may full-time staff carry over?")
    attest("ask", "Which colour is the moon base painted in?")
    assert attest("audit", "verify") | {"head": ""} == {"ok": True, "rows": 2, "head": "", "broken": []}
    assert [row["id"] for row in attest("audit", "list")["records"]][1] == good["id"]
    replayed = attest("replay", good["id"])
    assert replayed["same"], replayed["differences"]
    gaps = attest("gaps")["gaps"]
    assert [gap["question"] for gap in gaps] == ["Which colour is the moon base painted in?"]


def document_text(base: KnowledgeBase, document_id: str) -> str:
    from core.db.session import Database
    from core.types import OPERATOR
    from ingest.documents import document_text

    database = Database.open(base.settings)
    try:
        return document_text(database, document_id, OPERATOR)
    finally:
        database.close()
