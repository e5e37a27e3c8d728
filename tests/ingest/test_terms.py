"""The readers, dates and predecessors that a run names hold for all it names, however late it gets in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from core.db.grants import grant_collection, grant_document, set_document_access
from core.db.models import DocumentVersion
from core.db.session import Database
from core.errors import NotFound, SourceUnavailable
from core.settings import Settings
from core.types import OPERATOR, Principal
from ingest.documents import delete_document, list_documents, show_document
from ingest.failures import failed_rows
from ingest.remote import Missed
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from ingest.validity import require_superseded
from ingest.walk import Source
from models.encoder import Encoder
from tests.ingest.conftest import Run
from tests.ingest.samples import zipped
from tests.ingest.store import document, sources

STAFF = Principal("user:ben", frozenset({"group:staff"}))
DAMAGED = b"PK\x03\x04 not really"
THEN = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def staff_read_the_collection(database: Database) -> None:
    with database.write() as session:
        grant_collection(session, "default", "group:staff")


def readers(database: Database, name: str) -> list[str] | None:
    allow: list[str] | None = show_document(database, document(database, name).id, OPERATOR)["allow"]
    return allow


def seen(database: Database) -> list[str]:
    return sorted(row["source"].rpartition("/")[2] for row in list_documents(database, STAFF))


@pytest.mark.parametrize("retry", [True, False])
def test_a_mended_file_has_the_readers_named_when_it_failed(
    run: Run, docs: Path, database: Database, retry: bool
) -> None:
    (docs / "a.docx").write_bytes(DAMAGED)
    run(allow=("group:hr",), effective_from=datetime(2020, 1, 1, tzinfo=UTC), expires_at=THEN)
    (docs / "a.docx").write_text("# Pay\n\nWhat each is paid.\n")
    assert run(retry=retry).added == 1
    assert (readers(database, "a.docx"), seen(database)) == (["group:hr"], [])
    version = show_document(database, document(database, "a.docx").id, OPERATOR)["versions"][0]
    assert (version["effective_from"][:4], version["expires_at"][:4]) == ("2020", "2030")


def test_the_last_list_named_counts_even_where_the_file_was_not_tried_again(
    run: Run, docs: Path, database: Database
) -> None:
    (docs / "a.docx").write_bytes(DAMAGED)
    run()
    run(allow=("group:hr",))
    run()
    (docs / "a.docx").write_text("# Pay\n\nWhat each is paid.\n")
    run(retry=True)
    assert readers(database, "a.docx") == ["group:hr"]


def test_a_list_named_now_goes_before_that_of_a_failure(run: Run, docs: Path, database: Database) -> None:
    (docs / "a.docx").write_bytes(DAMAGED)
    run(allow=("group:hr",))
    (docs / "a.docx").write_text("# Pay\n\nWhat each is paid.\n")
    run(allow=("public",))
    assert readers(database, "a.docx") == ["public"]


def test_a_damaged_update_that_is_taken_back_leaves_the_list_it_named(run: Run, docs: Path, database: Database) -> None:
    (docs / "a.txt").write_text("What each is paid.")
    run()
    (docs / "a.txt").write_bytes(bytes(range(256)) * 8)
    run(allow=("group:hr",))
    (docs / "a.txt").write_text("What each is paid.")
    assert (run().updated, run().unchanged) == (1, 1)
    assert readers(database, "a.txt") == ["group:hr"]


def test_readers_given_by_hand_meanwhile_go_before_those_of_a_failure(run: Run, docs: Path, database: Database) -> None:
    (docs / "a.txt").write_text("What each is paid.")
    run()
    (docs / "a.txt").write_bytes(bytes(range(256)) * 8)
    run(allow=("group:hr",))
    with database.write() as session:
        set_document_access(session, document(database, "a.txt").id, ["user:ceo"])
    (docs / "a.txt").write_text("What each is paid from May.")
    run(retry=True)
    assert readers(database, "a.txt") == ["user:ceo"]


def test_what_lies_in_a_folder_that_was_shut_has_the_readers_named_for_it(
    run: Run, docs: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.ingest.test_run import shut

    (docs / "inner").mkdir()
    (docs / "inner" / "a.md").write_text("# Pay\n\nWhat each is paid.\n")
    with monkeypatch.context() as patched:
        shut(docs / "inner", patched)
        run(allow=("group:hr",))
    run()
    assert readers(database, "a.md") == ["group:hr"]


def test_the_pages_of_a_site_map_have_the_readers_named_while_it_was_away(
    run: Run, docs: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    site_map, page = "https://example.org/sitemap.xml", "https://example.org/pay"
    (docs / "page").write_text("What each is paid.")
    away = Missed(Source(site_map, Path(), "sitemap.xml"), SourceUnavailable("away"))
    monkeypatch.setattr("ingest.run.bring", lambda *_, **__: [away])
    assert len(run(site_map, allow=("group:hr",)).failed) == 1
    monkeypatch.setattr("ingest.run.bring", lambda *_, **__: [Source(page, docs / "page", "pay.txt")])
    assert run(site_map).failed == []
    assert readers(database, "pay") == ["group:hr"]
    assert failed_rows(database, "default") == {}


def test_a_new_member_is_for_those_who_may_read_the_archive(run: Run, docs: Path, database: Database) -> None:
    archive = docs / "sec.zip"
    archive.write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n"}))
    run(allow=("group:hr",))
    inner = zipped(**{"c.md": "# C\n\nText of C.\n"})
    archive.write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n", "b.md": "# B\n\nText of B.\n", "in.zip": inner}))
    run()
    assert all(readers(database, n) == ["group:hr"] for n in ("sec.zip", "a.md", "b.md", "in.zip", "c.md"))
    assert seen(database) == []


def test_the_readers_given_to_a_member_stay_when_the_archive_changes(run: Run, docs: Path, database: Database) -> None:
    archive = docs / "sec.zip"
    archive.write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n", "b.md": "# B\n\nText of B.\n"}))
    run(allow=("group:hr",))
    with database.write() as session:
        set_document_access(session, document(database, "a.md").id, ["user:ceo"])
        set_document_access(session, document(database, "b.md").id, None)
    archive.write_bytes(zipped(**{"a.md": "# A\n\nOther text of A.\n", "b.md": "# B\n\nOther text of B.\n"}))
    run()
    assert (readers(database, "a.md"), readers(database, "b.md")) == (["user:ceo"], None)


def test_the_readers_of_a_member_move_with_its_archive(run: Run, docs: Path, database: Database) -> None:
    (docs / "sec.zip").write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n", "b.md": "# B\n\nText of B.\n"}))
    run(allow=("group:hr",))
    with database.write() as session:
        set_document_access(session, document(database, "a.md").id, ["user:ceo"])
    (docs / "sec.zip").rename(docs / "moved.zip")
    report = run(sync=True, expires_at=THEN)
    assert (report.moved, report.updated, report.added) == (1, 3, 0)
    assert (readers(database, "a.md"), readers(database, "b.md")) == (["user:ceo"], ["group:hr"])


def test_a_member_that_failed_keeps_its_last_version_and_its_readers(run: Run, docs: Path, database: Database) -> None:
    archive = docs / "sec.zip"
    archive.write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n", "b.md": "# B\n\nText of B.\n"}))
    run(allow=("group:hr",))
    with database.write() as session:
        grant_document(session, document(database, "a.md").id, "user:ceo")
    archive.write_bytes(zipped(**{"a.md": bytes(range(256)) * 8, "b.md": "# B\n\nText of B.\n"}))
    assert [failure.source.rpartition("/")[2] for failure in run().failed] == ["a.md"]
    assert sources(database) == ["sec.zip", "a.md", "b.md"]
    archive.write_bytes(zipped(**{"a.md": "# A\n\nMended text of A.\n", "b.md": "# B\n\nText of B.\n"}))
    run()
    assert readers(database, "a.md") == ["group:hr", "user:ceo"]


def test_a_member_mended_by_a_retry_is_tied_to_its_archive(
    run: Run, docs: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import Unparseable
    from ingest.sandbox import ParserPool

    whole = ParserPool._run

    def broken(self: ParserPool, job: object, *rest: object) -> object:
        if getattr(job, "name", "") == "a.md":
            raise Unparseable("a bug of ours")
        return whole(self, job, *rest)  # type: ignore[arg-type]

    (docs / "sec.zip").write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n", "b.md": "# B\n\nText of B.\n"}))
    with monkeypatch.context() as patched:
        patched.setattr("ingest.sandbox.ParserPool._run", broken)
        assert len(run(allow=("group:hr",)).failed) == 1
    assert run(retry=True).failed == []
    assert readers(database, "a.md") == ["group:hr"]
    assert document(database, "a.md").parent_key == document(database, "sec.zip").key


def test_a_member_deleted_by_hand_stays_deleted_when_its_archive_changes(
    run: Run, docs: Path, database: Database
) -> None:
    members = {"a.md": "# A\n\nText of A.\n", "b.md": "# B\n\nText of B.\n"}
    (docs / "sec.zip").write_bytes(zipped(**members))
    run()
    delete_document(database, document(database, "a.md").id, OPERATOR)
    (docs / "sec.zip").write_bytes(zipped(**members, **{"c.md": "# C\n\nText of C.\n"}))
    run()
    assert sources(database) == ["sec.zip", "b.md", "c.md"]
    (docs / "sec.zip").write_bytes(zipped(**{"a.md": "# A\n\nNew text of A.\n"}))
    run()
    assert sources(database) == ["sec.zip", "a.md"]


def test_archives_of_different_content_are_no_copies_of_one_another(run: Run, docs: Path, database: Database) -> None:
    (docs / "one.zip").write_bytes(zipped(**{"a.md": "# A\n\nText of A.\n"}))
    (docs / "two.zip").write_bytes(zipped(**{"b.md": "# B\n\nText of B.\n"}))
    assert run().duplicates == 0
    assert document(database, "two.zip").duplicate_of is None


def test_dates_and_predecessor_of_an_unchanged_file_are_set(run: Run, docs: Path, database: Database) -> None:
    (docs / "old.md").write_text("# Old\n\nTwenty days.\n")
    run()
    (docs / "new.md").write_text("# New\n\nThirty days.\n")
    run()
    named = docs / "new.md"
    report = run(named, expires_at=THEN, supersedes="old.md", effective_from=THEN.replace(year=2020))
    assert (report.updated, report.unchanged) == (1, 0)
    new = document(database, "new.md")
    (version,) = show_document(database, new.id, OPERATOR)["versions"]
    assert (version["effective_from"][:4], version["expires_at"][:4]) == ("2020", "2030")
    assert new.supersedes == document(database, "old.md").key
    assert run(named, expires_at=THEN, supersedes="old.md").unchanged == 1
    run(named, allow=("group:hr",))  # what is not named stays
    (version,) = show_document(database, new.id, OPERATOR)["versions"]
    assert version["expires_at"][:4] == "2030"


def test_the_version_before_holds_until_the_new_one_does(run: Run, docs: Path, database: Database) -> None:
    for text in ("Twenty days.", "Thirty days."):
        (docs / "a.md").write_text(f"# Leave\n\n{text}\n")
        run()
    run(effective_from=THEN)
    with database.read() as session:
        first = session.scalars(select(DocumentVersion).where(DocumentVersion.version == 1)).one()
    assert first.superseded_at == THEN


def test_a_predecessor_that_is_not_there_is_refused_where_asked_and_told_of_where_written(
    run: Run, docs: Path, database: Database
) -> None:
    with pytest.raises(NotFound, match="'typo'"):
        require_superseded(database, "default", "typo")
    (docs / "a.md").write_text("# A\n\nText of A.\n")
    (docs / "b.md").write_text("---\nsupersedes: nowhere.md\n---\n\nText of B.\n")
    assert [failure.error for failure in run(docs / "a.md", supersedes="typo").failed] == ["NotFound"]
    assert sources(database) == []
    assert [failure.error for failure in run(docs / "a.md", retry=True).failed] == ["NotFound"]
    report = run()  # named anew without it
    assert (report.added, report.failed) == (2, [])
    assert [item["message"] for item in report.warnings] == [
        "it says that it supersedes 'nowhere.md', and the collection has no such document"
    ]


def test_a_date_of_the_front_matter_that_is_none_is_told(run: Run, docs: Path, database: Database) -> None:
    (docs / "a.md").write_text("---\nexpires_at: 31.12.2020\neffective_from: 2019-01-01\n---\n\nText of A.\n")
    assert [item["message"] for item in run().warnings] == [
        "its expires_at is no date: '31.12.2020'; write it as 2026-01-31"
    ]


def test_a_record_that_failed_keeps_its_list_too(database: Database, settings: Settings, encoder: Encoder) -> None:
    for record in (TextRecord("a", " ", allow=("group:hr",)), TextRecord("a", "What each is paid.")):
        ingest_texts([record], IngestOptions(), database=database, settings=settings, encoder=encoder)
    assert readers(database, "a") == ["group:hr"]


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("Valid from 1 January 2020 to 31 December 2020. A visit costs 44 euros.", "2020-01-01"),
        ("Gültig ab 1. Februar 2021. Sie ersetzt die Ordnung vom 1. Juli 2018.", "2021-02-01"),
        ("---\neffective_from: 2022-03-01\n---\n\nValid from 1 January 2020.", "2022-03-01"),
        ("Valid from 1 January 2190. A visit costs 44 euros.", None),  # it must be found until then, too
        ("A visit costs 44 euros.", None),
    ],
)
def test_the_opening_lines_say_from_when_a_document_is_in_force(
    run: Run, docs: Path, database: Database, text: str, since: str | None
) -> None:
    (docs / "prices.md").write_text(f"{text}\n")
    run()
    (version,) = show_document(database, document(database, "prices.md").id, OPERATOR)["versions"]
    assert (version["effective_from"] or "")[:10] == (since or "")
    assert version["expires_at"] is None
    assert seen(database) == ["prices.md"]  # what has ended still answers what is asked about its time
