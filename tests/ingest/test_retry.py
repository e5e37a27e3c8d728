"""What failed is found again wherever it lies, and leaves the list once it is good or gone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.db.models import IngestRun
from core.db.session import Database
from core.errors import NotFound, SourceUnavailable
from core.settings import Settings
from core.types import OPERATOR
from ingest.cli import cli
from ingest.documents import delete_document, show_document
from ingest.failures import FailureList, failed_rows
from ingest.report import Failure, IngestReport
from ingest.retry import failed_places, joined
from ingest.terms import Terms
from tests.ingest.conftest import Run
from tests.ingest.samples import zipped
from tests.ingest.store import document, sources

DAMAGED = b"PK\x03\x04 not really"
GARBAGE = bytes(range(256)) * 8
Attest = Callable[..., Any]


@pytest.fixture
def attest(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> Attest:
    """Run `attest ingest` and return its report."""
    monkeypatch.setenv("ATTEST_HOME", str(settings.home))

    def attest(*arguments: object, **named: Any) -> Any:
        result = CliRunner().invoke(cli, [*map(str, arguments), "--json"], **named)
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout.splitlines()[-1])

    return attest


def failing(database: Database, collection: str = "default") -> list[str]:
    return [source.rpartition("/")[2] for source in failed_rows(database, collection)]


def test_every_collection_and_every_name_is_tried_again(attest: Attest, docs: Path, database: Database) -> None:
    odd = Path(os.fsdecode(os.fsencode(docs) + b"/B\xfcro"))
    wow = docs / "wow!"
    places = {"default": odd / os.fsdecode(b"\xfcber.docx"), "legal": wow / "a.docx"}
    for collection, path in places.items():
        path.parent.mkdir()
        path.write_bytes(DAMAGED)
        assert len(attest(path.parent, "--collection", collection)["failed"]) == 1
        path.write_text(f"# {collection}\n\nText of {collection}.\n")
    report = attest("--retry")
    assert (report["added"], report["failed"]) == (2, [])
    assert sources(database) == [r"\xfcber.docx", "a.docx"]
    assert document(database, "a.docx").collection.name == "legal"


def test_only_the_collection_that_is_named_is_tried_again(attest: Attest, docs: Path, database: Database) -> None:
    (docs / "a.docx").write_bytes(DAMAGED)
    for collection in ("default", "legal"):
        attest(docs, "--collection", collection)
    (docs / "a.docx").write_text("# A\n\nText.\n")
    assert attest("--retry", "--collection", "legal")["added"] == 1
    assert (failing(database), failing(database, "legal")) == (["a.docx"], [])


def test_what_cannot_be_tried_again_is_listed_again(attest: Attest, database: Database) -> None:
    attest("-", input=json.dumps({"id": "row", "text": ""}))
    assert [failure["source"] for failure in attest("--retry")["failed"]] == ["row"]


def test_a_page_is_asked_for_again_only_where_addresses_are_allowed(database: Database) -> None:
    with database.write() as session:
        session.add(IngestRun(id="run", state="done", principal="operator", report={}))
    listed = FailureList(database, "default", {})
    for source in ("https://example.org/a.zip!/m.md", "https://example.org/a.zip", "https://example.org/b!/c"):
        listed.record("run", Failure.of(source, SourceUnavailable("away")), Terms())
    assert {place for _, place in failed_places(database, "default")} == {None}
    places = {failure.source: place for failure, place in failed_places(database, "default", urls=True)}
    assert places == {
        "https://example.org/a.zip!/m.md": "https://example.org/a.zip",
        "https://example.org/a.zip": "https://example.org/a.zip",
        "https://example.org/b!/c": "https://example.org/b!/c",
    }


def test_a_file_that_is_as_it_was_leaves_the_list(run: Run, docs: Path, database: Database) -> None:
    (docs / "a.txt").write_text("Text.")
    run()
    (docs / "a.txt").write_bytes(GARBAGE)
    run()
    assert failing(database) == ["a.txt"]
    (docs / "a.txt").write_text("Text.")
    assert run().unchanged == 1
    assert failing(database) == []


@pytest.mark.parametrize("options", [{}, {"sync": True}])
def test_a_file_that_is_gone_leaves_the_list(
    run: Run, docs: Path, database: Database, options: dict[str, bool]
) -> None:
    (docs / "sub").mkdir()
    (docs / "b.md").write_text("# B\n\nText.\n")
    for name in ("a.txt", "sub/c.txt"):
        (docs / name).write_bytes(GARBAGE)
    run(allow=("group:hr",))
    (docs / "a.txt").unlink()
    (docs / "sub" / "c.txt").unlink()
    (docs / "sub").rmdir()
    run(**options)
    assert failing(database) == []


def test_a_retry_strikes_what_is_gone(attest: Attest, docs: Path, database: Database) -> None:
    (docs / "a.txt").write_bytes(GARBAGE)
    attest(docs)
    (docs / "a.txt").unlink()
    assert attest("--retry")["failed"] == []
    assert failing(database) == []


def test_readers_named_for_what_lies_on_a_share_outlast_its_absence(
    attest: Attest, docs: Path, database: Database
) -> None:
    (docs / "a.txt").write_bytes(GARBAGE)
    attest(docs, "--allow", "group:hr")
    docs.rename(docs.parent / "away")
    docs.mkdir()
    assert [failure["error"] for failure in attest("--retry")["failed"]] == ["UnsupportedFormat"]
    docs.rmdir()
    (docs.parent / "away").rename(docs)
    (docs / "a.txt").write_text("What each is paid.")
    attest("--retry")
    assert show_document(database, document(database, "a.txt").id, OPERATOR)["allow"] == ["group:hr"]


def test_a_member_that_its_archive_no_longer_holds_leaves_the_list(run: Run, docs: Path, database: Database) -> None:
    inner = zipped(**{"x.bin": GARBAGE, "y.md": "# Y\n\nText of Y.\n"})
    members = {"a.md": "# A\n\nText of A.\n", "in.zip": inner}
    (docs / "z.zip").write_bytes(zipped(**members, **{"b.bin": GARBAGE, "c.bin": GARBAGE}))
    run()
    assert failing(database) == ["b.bin", "c.bin", "x.bin"]
    (docs / "z.zip").write_bytes(zipped(**members, **{"c.bin": GARBAGE}))
    run()
    assert failing(database) == ["c.bin", "x.bin"]
    (docs / "z.zip").write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n"}))
    run()
    assert failing(database) == []


def test_a_retry_brings_back_nothing_that_was_deleted_by_hand(attest: Attest, docs: Path, database: Database) -> None:
    (docs / "z.zip").write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n", "b.bin": GARBAGE}))
    attest(docs)
    delete_document(database, document(database, "z.zip").id, OPERATOR)
    attest("--retry")
    assert sources(database) == []


def test_reports_of_several_runs_make_one() -> None:
    one, other = IngestReport("1", "done", added=1, flagged={"pii": 1}), IngestReport("2", "interrupted", added=2)
    one.failed, other.flagged = [Failure("a", "E", "permanent", "m")], {"pii": 2, "toxicity": 1}
    whole = joined([one, other])
    assert (whole.run_id, whole.state, whole.added, whole.failed) == ("2", "interrupted", 3, one.failed)
    assert (whole.flagged, one.added) == ({"pii": 3, "toxicity": 1}, 1)


def test_a_predecessor_that_is_not_there_stops_a_command_before_it_begins(
    attest: Attest, docs: Path, database: Database
) -> None:
    (docs / "a.md").write_text("# A\n\nText.\n")
    with pytest.raises(NotFound, match="'typo'"):
        attest(docs, "--supersedes", "typo")
    assert (sources(database), failing(database)) == ([], [])


@pytest.mark.parametrize("place", ["https://example.org/a.html", "file"])
def test_a_record_is_never_read_where_its_source_points(
    attest: Attest, docs: Path, database: Database, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (docs / "file").write_text("Words that were never given.")
    source = str(docs / "file") if place == "file" else place
    monkeypatch.setenv("ATTEST_INGEST__ALLOW_URLS", "true")
    monkeypatch.setattr("ingest.run.bring", lambda *_: pytest.fail("it was asked for"))
    attest("-", input=json.dumps({"source": source, "text": ""}))
    report = attest("--retry")
    assert [failure["source"] for failure in report["failed"]] == [source]
    assert sources(database) == []
