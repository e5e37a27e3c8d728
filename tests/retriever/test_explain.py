from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from core.clock import now
from core.db.models import Document
from core.types import OPERATOR, Filters, Principal, Query

BEN = Principal("user:ben")
LEAVE = Query("how much annual leave")


def test_it_names_the_step_that_lost_the_document(library, open_retriever):
    for number in range(12):
        library.add(f"leave{number}", [f"Annual leave, rule {number}: how much leave there is."], allow=["public"])
    library.add("printer", ["Paper jams are cleared from the back."], allow=["public"])
    library.add("secret", ["Annual leave of the board."], allow=["group:board"])
    library.add("old", ["Annual leave was ten days."], expires_at=now() - timedelta(days=1))
    library.add(
        "copy", ["Annual leave, rule 0: how much leave there is."], near_duplicate_of="leave0", allow=["public"]
    )
    retriever = open_retriever(candidates=3, k=2)
    library.add("late", ["Annual leave in January."], allow=["public"])

    def stage(document: str, principal: Principal = OPERATOR, **options: Filters) -> str:
        return retriever.explain(LEAVE, principal, document, **options).stage

    returned = retriever.retrieve(LEAVE, OPERATOR).hits[0].chunk.document_id
    assert stage(returned) == "returned"
    assert stage("secret", BEN) == stage("nothing-like-it", BEN) == "permission"
    assert stage("old") == stage("leave1", filters=Filters(collection="other")) == "filter"
    assert stage("late") == "index"
    lost = retriever.explain(LEAVE, OPERATOR, "printer")
    assert lost.stage == "candidates"
    assert lost.ranks["dense"] > 3
    assert lost.ranks["lexical"] is None
    assert lost.to_json() == {"stage": lost.stage, "detail": lost.detail, "ranks": lost.ranks}


def test_it_does_not_say_that_a_hidden_document_exists(library, open_retriever):
    library.add("secret", ["Annual leave of the board."], allow=["group:board"])
    retriever = open_retriever()
    assert retriever.explain(LEAVE, BEN, "secret") == retriever.explain(LEAVE, BEN, "no-such-document")


def test_a_document_named_by_the_end_of_its_source_is_pointed_to_for_the_operator_alone(library, open_retriever):
    library.add("/srv/handbook/leave", ["Annual leave is thirty days."], allow=["public"])
    library.add("/srv/old/leave", ["Annual leave was ten days."])
    with library.database.write() as session:
        gone = update(Document).where(Document.source == "/srv/old/leave.md")
        session.execute(gone.values(state="deleted"))
    retriever = open_retriever()
    said = retriever.explain(LEAVE, OPERATOR, "handbook/leave.md").detail
    assert said.endswith("; did you mean /srv/handbook/leave.md?")
    assert "mean" not in retriever.explain(LEAVE, OPERATOR, "leave%").detail
    assert "srv" not in retriever.explain(LEAVE, BEN, "handbook/leave.md").detail


def test_filters_are_told_as_they_were_written(library, open_retriever):
    library.add("leave", ["Annual leave is thirty days."])
    filters = Filters(document_ids=("a", "b"), as_of=datetime(2030, 1, 1, tzinfo=UTC), metadata={"team": "hr"})
    said = open_retriever().explain(LEAVE, OPERATOR, "leave", filters=filters).detail
    assert said == "the filters leave it out: document_ids=a, b, as_of=2030-01-01T00:00:00+00:00, metadata=team:hr"


def test_a_passage_folds_only_where_it_was_looked_at(library, open_retriever):
    for number in range(12):
        library.add(f"leave{number}", [f"Annual leave, rule {number}: how much leave there is."])
    library.add("last", ["Printers, and once the word leave."])
    library.add("copy", ["Annual leave, rule 3: how much leave there is."], near_duplicate_of="leave3")
    retriever = open_retriever(k=2)
    lost = retriever.explain(LEAVE, OPERATOR, "last")
    assert (lost.stage, lost.ranks["fused"]) == ("fusion", 14)
    assert lost.detail.startswith("13 passages have better fused scores")
    assert retriever.explain(LEAVE, OPERATOR, "last", k=20).stage == "returned"
    folded = {retriever.explain(LEAVE, OPERATOR, name, k=20).stage for name in ("copy", "leave3")}
    assert folded == {"fold", "returned"}


def test_it_explains_the_search_of_the_mode_it_is_asked_for(library, open_retriever):
    library.add("leave", ["Annual leave is thirty days."])
    library.add("printer", ["Paper jams are cleared from the back."])
    retriever = open_retriever()
    asked = Query("paper jams")
    assert retriever.explain(asked, OPERATOR, "leave", mode="dense").stage == "returned"
    assert retriever.explain(asked, OPERATOR, "leave", mode="lexical").stage == "candidates"


def test_only_a_reranker_is_said_to_rerank(library, open_retriever):
    for number in range(4):
        of = "same0" if number else None
        library.add(f"same{number}", ["Annual leave: how much leave there is."], near_duplicate_of=of)
    for number in range(3):
        library.add(f"other{number}", [f"Leave of the sort {'abc'[number]}, taken {number} times."])
    retriever = open_retriever(k=2)
    stages = {retriever.explain(LEAVE, OPERATOR, f"other{number}").stage for number in range(3)}
    assert stages == {"returned", "fusion"}


def test_a_source_in_several_collections_is_looked_for_in_those_of_the_filters(library, open_retriever):
    library.add("here", ["Annual leave is thirty days."], collection="c1")
    library.add("there", ["Annual leave is twenty days."], collection="c2")
    with library.database.write() as session:
        session.execute(update(Document).values(source="handbook.md"))
    retriever = open_retriever()
    for collection in ("c1", "c2", None):
        found = retriever.explain(LEAVE, OPERATOR, "handbook.md", filters=Filters(collection=collection))
        assert found.stage == "returned"
    assert retriever.explain(LEAVE, OPERATOR, "handbook.md", filters=Filters(collection="c3")).stage == "filter"
