"""Versions, dates and deletions as a reader meets them, with indexes that follow and a store that decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from bench.victim import WordEncoder
from core.clock import now
from core.db.models import Document
from core.db.replay import log_gaps
from core.db.session import Database
from core.errors import Conflict
from core.settings import Settings
from core.types import OPERATOR, Filters, Principal, Query
from ingest.documents import delete_document, document_text, show_document
from ingest.purge import purge_document
from ingest.report import IngestOptions, TextRecord
from ingest.run import ingest_texts
from retriever.retriever import Retriever

Put = Callable[..., str]
ANA = Principal("user:ana")


@pytest.fixture
def put(database: Database, settings: Settings) -> Put:
    def one(source: str, text: str, **options: object) -> str:
        ingest_texts(
            [TextRecord(source, text)],
            IngestOptions(allow=("public",), **options),
            database=database,
            settings=settings,
            encoder=WordEncoder(64),
        )
        with database.read() as session:
            return session.scalars(select(Document.id).where(Document.source == source)).one()

    return one


@pytest.fixture
def retriever(database: Database, settings: Settings) -> Iterator[Retriever]:
    opened = Retriever.open(database, settings, WordEncoder(64))
    yield opened
    opened.close()


def texts(retriever: Retriever, query: str, as_of: datetime | None = None) -> list[str]:
    retriever.sync()
    return [hit.chunk.text for hit in retriever.retrieve(Query(query), ANA, filters=Filters(as_of=as_of)).hits]


def test_the_next_version_replaces_the_last_and_history_stays(
    database: Database, put: Put, retriever: Retriever
) -> None:
    put("/policy", "Leave is twenty days a year.")
    moment = now()
    document_id = put("/policy", "Leave is thirty days a year.")
    assert texts(retriever, "leave days") == ["Leave is thirty days a year."]
    assert texts(retriever, "leave days", as_of=moment) == ["Leave is twenty days a year."]
    assert document_text(database, document_id, ANA, 1) == "Leave is twenty days a year."
    assert document_text(database, document_id, ANA) == "Leave is thirty days a year."
    assert [row["version"] for row in show_document(database, document_id, ANA)["versions"]] == [1, 2]


def test_what_comes_into_force_is_found_from_then_on(
    put: Put, retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = now()
    soon = moment + timedelta(hours=1)
    for module in ("core.db.access", "retriever.permitted"):
        monkeypatch.setattr(f"{module}.now", lambda: moment)
    put("/old", "Travel is booked by telephone.", expires_at=soon)
    put("/new", "Travel is booked by the portal.", effective_from=soon)
    assert texts(retriever, "travel booked") == ["Travel is booked by telephone."]
    assert texts(retriever, "travel booked", as_of=soon) == ["Travel is booked by the portal."]
    moment = soon
    assert texts(retriever, "travel booked") == ["Travel is booked by the portal."]  # nothing was written meanwhile


def test_a_successor_hides_its_predecessor_while_it_lives(database: Database, put: Put, retriever: Retriever) -> None:
    put("/pay-2025", "Pay is weekly.")
    successor = put("/pay-2026", "Pay is monthly.", supersedes="/pay-2025")
    assert texts(retriever, "pay is") == ["Pay is monthly."]
    delete_document(database, successor, OPERATOR)
    assert texts(retriever, "pay is") == ["Pay is weekly."]


def test_documents_that_supersede_one_another_in_a_circle_are_refused(put: Put, retriever: Retriever) -> None:
    put("/a", "Pay is weekly.")
    put("/b", "Pay is monthly.", supersedes="/a")
    put("/c", "Pay is yearly.", supersedes="/b")
    with pytest.raises(Conflict, match="/a would supersede"):
        put("/a", "Pay is daily.", supersedes="/c")
    assert texts(retriever, "pay is") == ["Pay is yearly."]


def test_deleting_a_duplicate_takes_its_older_versions_out_of_the_index(
    database: Database, put: Put, retriever: Retriever
) -> None:
    put("/first", "Notice is one month.")
    second = put("/second", "Notice is three months.")
    put("/second", "Notice is one month.")  # a duplicate now, whose first version was indexed
    delete_document(database, second, OPERATOR)
    retriever.sync()
    view = retriever._follower.indexes.vectors.view()
    assert view.count == 1
    with database.read() as session:
        assert log_gaps(session) == ([], [])


def test_a_deletion_is_honoured_at_once_by_an_index_that_has_not_heard(
    database: Database, settings: Settings, put: Put
) -> None:
    document_id = put("/a", "The merger is announced in May.")
    deaf = Retriever.open(database, settings, WordEncoder(64), follow=False)
    delete_document(database, document_id, OPERATOR)
    for mode in ("dense", "lexical", "hybrid"):
        assert deaf.retrieve(Query("merger May"), OPERATOR, mode=mode).hits == ()
    deaf.close()


def test_a_purge_makes_running_processes_build_anew(
    database: Database, settings: Settings, put: Put, retriever: Retriever
) -> None:
    put("/kept", "The canteen opens at noon.")
    document_id = put("/gone", "The merger is announced in May.")
    retriever.sync()
    before = set(settings.indexes.glob("work/*/*"))
    assert set(purge_document(database, settings, document_id, OPERATOR)["verified"].values()) == {0}
    folders = {path for path in settings.indexes.glob("work/*/*") if path.is_dir()}
    assert folders
    assert not folders & before
    assert texts(retriever, "merger") == ["The canteen opens at noon."]  # the only one left, by vectors


def test_the_old_version_holds_until_the_new_one_comes_into_force(put: Put, retriever: Retriever) -> None:
    tomorrow = now() + timedelta(days=1)
    put("/fee", "The fee is ten.")
    put("/fee", "The fee is twelve.", effective_from=tomorrow)
    assert texts(retriever, "fee") == ["The fee is ten."]
    assert texts(retriever, "fee", as_of=tomorrow) == ["The fee is twelve."]
