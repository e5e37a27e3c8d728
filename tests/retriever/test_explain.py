from __future__ import annotations

from datetime import timedelta

from core.clock import now
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
