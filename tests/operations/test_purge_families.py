"""A mail or an archive is purged with what came out of it, in one scrub, and finished after a kill at any point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from app.doctor import examine
from core.blobs import BlobStore
from core.db.models import Document, Purge
from core.db.session import Database
from core.errors import Conflict
from core.settings import Settings
from core.types import OPERATOR
from ingest import purge as purging
from ingest.purge import finish_purges, purge_document
from tests.operations.seeding import Seed, plant
from tests.operations.test_purge import everything

FAMILY = ("mail", "inner", "deep", "twin")
SECRETS = {
    "mail": "The letter from Ines Fontaine is about her salary.",
    "inner": "The enclosed contract names Roderick Vale as the heir.",
    "deep": "The annex lists the house in Marbella and its price.",
    "twin": "The enclosed contract names Roderick Vale as the heir.",
}


@pytest.fixture
def family(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("other", "Paragraph of a document about nothing in particular.", allow=("public",)))
    for name in FAMILY:
        plant(database, settings, Seed(name, SECRETS[name], allow=("public",)))
    with database.write() as session:
        keys = dict(session.execute(select(Document.id, Document.key)).tuples().all())
        for child, parent in (("inner", "mail"), ("twin", "mail"), ("deep", "inner")):
            session.execute(update(Document).where(Document.id == child).values(parent_key=keys[parent]))


def open_purges(database: Database) -> Iterator[str]:
    with database.read() as session:
        yield from session.scalars(select(Purge.document_id).where(Purge.finished_at.is_(None)))


def check_gone(database: Database, settings: Settings) -> None:
    assert list(open_purges(database)) == []
    with database.read() as session:
        assert session.scalars(select(Document.id)).all() == ["other"]
        assert set(session.scalars(select(Purge.document_id))) == set(FAMILY)
    assert len(list(BlobStore(settings.blobs).names())) == 1
    left = everything(settings)
    assert not any(secret.encode() in left for secret in SECRETS.values())
    assert all(result.ok for result in examine(settings))


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize("interrupted", [False, True])
def test_the_store_is_scrubbed_once_for_all(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    done: Counter[str] = Counter()

    def counted(name: str) -> None:
        whole = getattr(purging, name)

        def count(*arguments: object) -> object:
            done[name] += 1
            return whole(*arguments)

        monkeypatch.setattr(purging, name, count)

    for name in ("demand_rebuild", "reclaim", "files_holding", "_copies_left"):
        counted(name)
    if interrupted:
        with database.write() as session:
            for document in purging._family(session, "mail"):
                purging._hide(session, document)
        assert finish_purges(database, settings) == len(FAMILY)
    else:
        assert set(purge_document(database, settings, "mail", OPERATOR)["verified"].values()) == {0}
    assert set(done.values()) == {1}
    check_gone(database, settings)


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize(
    "point",
    [
        *("purge.hidden", "purge.before_blobs", "purge.blob_deleted:2", "purge.rows_gone", "purge.rows_gone:3"),
        *("purge.reset", "purge.reclaimed"),
    ],
)
def test_a_kill_at_any_point_leaves_all_hidden_and_the_rest_is_done_later(
    database: Database, settings: Settings, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    name, _, time = point.partition(":")
    reached: Counter[str] = Counter()

    def stop(here: str) -> None:
        reached[here] += 1
        if here == name and reached[here] == int(time or 1):
            raise Killed

    monkeypatch.setattr(purging, "failpoint", stop)
    with pytest.raises(Killed):
        purge_document(database, settings, "mail", OPERATOR)
    monkeypatch.undo()
    with database.read() as session:
        assert session.scalars(select(Document.id).where(Document.state == "live")).all() == ["other"]
    assert set(open_purges(database)) == set(FAMILY)
    assert [result for result in examine(settings, repair=True) if not result.ok] == []
    check_gone(database, settings)


@pytest.mark.usefixtures("family")
def test_what_is_left_of_one_keeps_open_that_one_alone(database: Database, settings: Settings) -> None:
    stray = settings.home / "export.bin"
    stray.write_bytes(SECRETS["deep"].encode())
    with pytest.raises(Conflict, match="1 in files"):
        purge_document(database, settings, "mail", OPERATOR)
    assert list(open_purges(database)) == ["deep"]
    stray.unlink()
    assert finish_purges(database, settings) == 1
    check_gone(database, settings)
