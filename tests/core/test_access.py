"""Who may read what, and what is in force when: the one condition, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.clock import now
from core.db import grants
from core.db.access import NO_FILTERS, permitted_until, presentations, principal_named, retrievable_versions
from core.db.models import Document, DocumentVersion
from core.db.session import Database
from core.errors import InvalidInput, NotFound
from core.settings import Settings
from core.types import OPERATOR, Filters, Principal
from tests.operations.seeding import Seed, plant

ANA = Principal("user:ana")


def seen(database: Database, principal: Principal, filters: Filters = NO_FILTERS) -> list[str]:
    with database.read() as session:
        keys = session.scalars(retrievable_versions(principal, filters)).all()
        query = select(Document.id).join(DocumentVersion, DocumentVersion.document_key == Document.key)
        return sorted(session.scalars(query.where(DocumentVersion.key.in_(keys))).all())


def shown(database: Database, principal: Principal, filters: Filters = NO_FILTERS) -> dict[str, list[str]]:
    with database.read() as session:
        names = dict(session.execute(select(DocumentVersion.key, Document.id).join(Document)).all())
        found = presentations(session, principal, names, filters)
        return {names[key]: [one.document_id for one in rows] for key, rows in found.items()}


def test_nobody_reads_what_no_list_names(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    assert seen(database, ANA) == []
    assert seen(database, Principal("operator")) == []  # the name alone is no power
    assert seen(database, OPERATOR) == ["a"]


def test_a_list_of_its_own_replaces_the_collections(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    plant(database, settings, Seed("b", "beta", allow=("user:bob",)))
    plant(database, settings, Seed("c", "gamma", allow=()))
    with database.write() as session:
        grants.grant_collection(session, "default", "user:ana")
    assert seen(database, ANA) == ["a"]
    assert seen(database, Principal("user:bob")) == ["b"]


def test_groups_and_public_grant_and_edits_count_at_once(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha", allow=("group:hr",)))
    plant(database, settings, Seed("b", "beta", allow=("public",)))
    with database.write() as session:
        grants.add_member(session, "user:ana", "group:hr")
        ana = principal_named(session, "user:ana")
    assert seen(database, ana) == ["a", "b"]
    with database.write() as session:
        grants.remove_member(session, "user:ana", "group:hr")
        ana = principal_named(session, "user:ana")
    assert seen(database, ana) == ["b"]
    with database.write() as session:
        grants.grant_document(session, "a", "user:ana")
        grants.revoke_document(session, "b", "public")
    assert seen(database, ana) == ["a"]
    with database.write() as session:
        grants.set_document_access(session, "a", None)
    assert seen(database, ana) == []


def test_granting_one_keeps_those_who_read_by_inheritance(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    with database.write() as session:
        grants.grant_collection(session, "default", "user:bob")
        grants.grant_document(session, "a", "user:ana")
        assert grants.document_access(session, "a").principals == ("user:ana", "user:bob")
    assert seen(database, ANA) == seen(database, Principal("user:bob")) == ["a"]


def test_a_collections_list_says_how_many_documents_it_does_not_reach(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha", allow=("public",)))
    plant(database, settings, Seed("b", "beta", allow=()))
    plant(database, settings, Seed("c", "gamma"))
    with database.write() as session:
        grants.grant_collection(session, "default", "public")
        grants.revoke_collection(session, "default", "public")
        assert grants.collection_access(session, "default") == grants.AccessList((), own_lists=2)
        grants.set_document_access(session, "a", None)
        assert grants.collection_access(session, "default").own_lists == 1


def test_taking_off_who_is_not_on_the_list_is_told_and_writes_nothing(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("a", "alpha"))
    plant(database, settings, Seed("b", "beta", allow=("user:bob",)))
    with database.write() as session:
        grants.grant_collection(session, "default", "user:ana")
    with (
        pytest.raises(NotFound, match="user:typo is not on the access list of document a"),
        database.write() as session,
    ):
        grants.revoke_document(session, "a", "user:typo")
    with pytest.raises(NotFound, match="user:ana"), database.write() as session:
        grants.revoke_document(session, "b", "user:ana")  # on the collection's list, which is not in force for it
    with pytest.raises(NotFound, match=r"user:typo.*collection 'default'"), database.write() as session:
        grants.revoke_collection(session, "default", "user:typo")
    with database.write() as session:
        assert grants.document_access(session, "a") == grants.AccessList(("user:ana",), inherited=True)
        assert grants.document_access(session, "b").principals == ("user:bob",)
        grants.revoke_collection(session, "default", "user:ana")
    assert seen(database, ANA) == []


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x7f", "\x9b", "\ud800"])
def test_a_principal_holds_no_character_that_is_not_kept(database: Database, character: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be kept"), database.write() as session:
        grants.grant_collection(session, "default", f"user:ana{character}x")


def test_a_principal_is_as_long_as_its_column(database: Database) -> None:
    with database.write() as session:
        grants.grant_collection(session, "default", "user:" + "x" * 195)
    with pytest.raises(InvalidInput, match="at most 200 characters"), database.write() as session:
        grants.grant_collection(session, "default", "user:" + "x" * 196)


@pytest.mark.parametrize("name", ["ana", "operator", "user:", "group: hr", "role:x", ""])
def test_a_name_no_list_may_hold_is_refused(database: Database, name: str) -> None:
    with pytest.raises(InvalidInput), database.write() as session:
        grants.grant_collection(session, "default", name)


def test_what_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(NotFound), database.read() as session:
        grants.document_access(session, "none")
    with pytest.raises(NotFound), database.read() as session:
        grants.collection_access(session, "none")


def test_what_is_in_force_depends_on_the_date(database: Database, settings: Settings) -> None:
    moment = now()
    day = timedelta(days=1)
    plant(database, settings, Seed("past", "1", expires_at=moment - day))
    plant(database, settings, Seed("present", "2", effective_from=moment - day, expires_at=moment + day))
    plant(database, settings, Seed("future", "3", effective_from=moment + day))
    plant(database, settings, Seed("replaced", "4", superseded_at=moment - day))
    assert seen(database, OPERATOR) == ["present"]
    assert seen(database, OPERATOR, Filters(as_of=moment - 2 * day)) == ["past", "replaced"]
    assert seen(database, OPERATOR, Filters(as_of=moment + day)) == ["future"]  # expiry is exclusive, effect inclusive
    with database.read() as session:
        assert permitted_until(session, moment) == moment + day
        assert permitted_until(session, moment + 2 * day) is None


def test_a_document_hides_what_it_supersedes_once_it_is_in_force(database: Database, settings: Settings) -> None:
    tomorrow = now() + timedelta(days=1)
    plant(database, settings, Seed("old", "1", allow=("public",)))
    plant(database, settings, Seed("new", "2", allow=("public",), supersedes="old", effective_from=tomorrow))
    assert seen(database, ANA) == ["old"]
    assert seen(database, ANA, Filters(as_of=tomorrow)) == ["new"]


def test_a_reader_of_one_duplicate_is_shown_that_one(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("first", "same", allow=("user:bob",)))
    plant(database, settings, Seed("second", "same", allow=("user:ana",), duplicate_of="first"))
    assert "first" in seen(database, ANA)  # its passages may be ranked …
    assert shown(database, ANA)["first"] == ["second"]  # … and are shown as the document she may read
    assert shown(database, Principal("user:bob"))["first"] == ["first"]
    assert shown(database, OPERATOR)["first"] == ["first", "second"]
    assert shown(database, Principal("user:eve")) == {}


def test_a_duplicate_out_of_force_opens_nothing(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("first", "same", allow=("user:bob",)))
    gone = now() - timedelta(days=1)
    plant(database, settings, Seed("second", "same", allow=("user:ana",), duplicate_of="first", expires_at=gone))
    assert seen(database, ANA) == []
    assert shown(database, ANA) == {}


def test_filters_look_at_the_document_that_is_shown(database: Database, settings: Settings) -> None:
    plant(database, settings, Seed("first", "same", allow=("user:ana",), source="/hr/Policy.txt"))
    plant(database, settings, Seed("second", "same", allow=("user:ana",), source="/it/x.txt", duplicate_of="first"))
    only = Filters(document_ids=("second",))
    assert "first" in seen(database, ANA, only)
    assert shown(database, ANA, only)["first"] == ["second"]
    assert shown(database, ANA, Filters(source_prefix="/hr/Pol"))["first"] == ["first"]
    assert shown(database, ANA, Filters(source_prefix="/hr/pol")) == {}
    assert shown(database, ANA, Filters(collection="other")) == {}


@pytest.mark.parametrize(
    ("name", "value", "asked"),
    [
        ("live", True, "true"),
        ("live", False, "false"),
        ("year", 2026, "2026"),
        ("share", 0.5, "0.5"),
        ("owner", "ana", "ana"),
        ("owner", "true", "true"),
        ("it's", "a", "a"),
        ('the "name"', "it's", "it's"),
        ("a.b[0]", "x", "x"),
        ("$", "Ä", "Ä"),
    ],
)
def test_an_attribute_is_compared_as_it_was_written(
    database: Database, settings: Settings, name: str, value: object, asked: str
) -> None:
    plant(database, settings, Seed("a", "alpha"))
    plant(database, settings, Seed("b", "beta"))
    with database.write() as session:
        session.scalars(select(Document).where(Document.id == "a")).one().attributes = {name: value, "many": ["x", 1]}
    assert seen(database, OPERATOR, Filters(metadata={name: asked})) == ["a"]
    assert shown(database, OPERATOR, Filters(metadata={name: asked})) == {"a": ["a"]}
    for other in ("1", "0", "1.0", asked.upper() + "x", ""):
        assert seen(database, OPERATOR, Filters(metadata={name: other})) == []
    for text in ('["x",1]', '["x", 1]', "x"):
        assert seen(database, OPERATOR, Filters(metadata={"many": text})) == []


@pytest.mark.parametrize("principal", [ANA, OPERATOR])
def test_authorising_hits_never_reads_every_document(
    database: Database, settings: Settings, principal: Principal
) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL keeps statistics and chooses by them")
    plant(database, settings, Seed("a", "alpha", allow=("public",)))
    ran: list[str] = []
    with database.read() as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(ran.append)
        presentations(session, principal, [1])
        driver.set_trace_callback(None)
        (query,) = [statement for statement in ran if "document_versions" in statement]
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
        steps = [str(row[3]) for row in plan]
        assert not [step for step in steps if step.startswith("SCAN")]
        arms = [steps[at + 1] for at, step in enumerate(steps) if step in {"LEFT-MOST SUBQUERY", "UNION ALL"}]
        assert len(arms) == 2
        assert all(arm.startswith("SEARCH document_versions USING INTEGER PRIMARY KEY") for arm in arms)
