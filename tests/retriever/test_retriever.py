from __future__ import annotations

import time
from datetime import timedelta

import pytest

from core.clock import now
from core.errors import InvalidInput
from core.types import OPERATOR, Filters, Principal, Query
from retriever.selection import JOINED_CHARACTERS

ANA = Principal("user:ana", frozenset({"group:hr"}))
BEN = Principal("user:ben")


@pytest.fixture
def handbook(library):
    library.add(
        "leave",
        ["Employees receive twenty days of paid annual leave.", "Unused leave expires in March of the next year."],
        allow=["public"],
    )
    library.add("salaries", ["Salary bands are reviewed by the compensation board each April."], allow=["group:hr"])
    library.add("laptops", ["A laptop is replaced after four years; order form ISO-27001/B.", "Keys"], allow=["public"])
    return library


def ids(retrieval):
    return [hit.chunk.document_id for hit in retrieval.hits]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_the_passage_asked_for_is_first(handbook, open_retriever, mode):
    found = open_retriever().retrieve(Query("how many days of annual leave"), OPERATOR, mode=mode)
    hit = found.hits[0]
    assert hit.chunk.text.startswith("Employees receive twenty days of paid annual leave.")
    assert (hit.chunk.start, hit.chunk.end, hit.source) == (0, len(hit.chunk.text), "leave.md")
    assert (hit.scores.dense is None) == (mode == "lexical")
    assert (hit.scores.lexical is None) == (mode == "dense")
    assert found.index_seq == handbook.last_seq()


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_a_principal_finds_only_what_it_may_read(handbook, open_retriever, mode):
    retriever = open_retriever()
    query = Query("salary bands compensation review")
    assert ids(retriever.retrieve(query, ANA, mode=mode))[0] == "salaries"
    assert "salaries" not in ids(retriever.retrieve(query, BEN, mode=mode))


def test_k_counts_permitted_passages(library, open_retriever):
    for number in range(30):
        library.add(f"secret{number}", [f"The travel budget of team {number} is fixed."], allow=["group:board"])
    for number in range(5):
        library.add(f"open{number}", [f"A travel note, number {number}, says little on budgets."], allow=["public"])
    retriever = open_retriever()
    for mode in ("dense", "lexical", "hybrid"):
        found = ids(retriever.retrieve(Query("travel budget of team"), BEN, k=5, mode=mode))
        assert sorted(found) == [f"open{number}" for number in range(5)], mode


def test_a_delete_is_honoured_before_the_index_hears_of_it(handbook, open_retriever):
    retriever = open_retriever()
    handbook.delete("leave", log=False)
    assert "leave" not in ids(retriever.retrieve(Query("annual leave"), OPERATOR))


def test_revoked_access_is_honoured_at_once(handbook, open_retriever):
    retriever = open_retriever()
    assert "salaries" in ids(retriever.retrieve(Query("salary bands"), ANA))
    handbook.set_access("salaries", [])
    assert "salaries" not in ids(retriever.retrieve(Query("salary bands"), ANA))
    assert "salaries" in ids(retriever.retrieve(Query("salary bands"), OPERATOR))


def test_a_version_expires_while_its_permission_is_kept(library, open_retriever, monkeypatch):
    moment = now()
    for module in ("core.db.access", "retriever.permitted"):
        monkeypatch.setattr(f"{module}.now", lambda: moment)
    library.add("notice", ["The canteen is closed on Friday."], expires_at=moment + timedelta(hours=1))
    library.add("menu", ["The canteen serves soup."])
    retriever = open_retriever()
    assert "notice" in ids(retriever.retrieve(Query("canteen closed"), OPERATOR))
    moment += timedelta(hours=1)
    assert ids(retriever.retrieve(Query("canteen closed"), OPERATOR)) == ["menu"]


def test_as_of_searches_what_was_in_force_then(library, open_retriever):
    moment = now()
    library.add("old", ["The fee is 10 euros."], expires_at=moment - timedelta(days=10))
    library.add("new", ["The fee is 20 euros."], effective_from=moment - timedelta(days=10))
    retriever = open_retriever()
    then = Filters(as_of=moment - timedelta(days=20))
    assert ids(retriever.retrieve(Query("what is the fee"), OPERATOR, filters=then)) == ["old"]
    assert ids(retriever.retrieve(Query("what is the fee"), OPERATOR)) == ["new"]


def test_filters_narrow_before_ranking(library, open_retriever):
    for number in range(40):
        library.add(f"a{number}", ["Warranty lasts two years."], collection="products")
    library.add("b", ["A note on warranty."], collection="legal", attributes={"owner": "ana"})
    retriever = open_retriever()
    for filters in (Filters(collection="legal"), Filters(metadata={"owner": "ana"}), Filters(document_ids=("b",))):
        for mode in ("dense", "lexical", "hybrid"):
            assert ids(retriever.retrieve(Query("warranty years"), OPERATOR, filters=filters, mode=mode)) == ["b"]


def test_min_seq_reads_its_own_writes(handbook, open_retriever):
    retriever = open_retriever()
    handbook.add("parking", ["Bicycles may be parked in the yard."])
    seq = handbook.last_seq()
    assert "parking" not in ids(retriever.retrieve(Query("where to park a bicycle"), OPERATOR))
    found = retriever.retrieve(Query("where to park a bicycle"), OPERATOR, min_seq=seq)
    assert ids(found)[0] == "parking"
    assert found.index_seq == seq
    with pytest.raises(InvalidInput, match="beyond the end"):
        retriever.retrieve(Query("x"), OPERATOR, min_seq=seq + 1)


def test_following_sees_adds_and_removes(handbook, open_retriever):
    retriever = open_retriever(follow=True, follow_interval_s=0.02)
    handbook.add("parking", ["Bicycles may be parked in the yard."])
    handbook.delete("laptops")
    seq = handbook.last_seq()
    deadline = time.monotonic() + 60
    while retriever.seq < seq and time.monotonic() < deadline:
        time.sleep(0.01)
    assert retriever.seq == seq
    assert ids(retriever.retrieve(Query("bicycle parking"), OPERATOR))[0] == "parking"
    assert "laptops" not in ids(retriever.retrieve(Query("laptop replaced"), OPERATOR, mode="lexical"))


def test_an_identifier_is_found_whole(library, open_retriever):
    for number in range(20):
        library.add(f"form{number}", [f"Form ISO-9001 part {number} and 27001 other words B."])
    library.add("wanted", ["Use order form ISO-27001/B."])
    assert ids(open_retriever().retrieve(Query("iso-27001/b"), OPERATOR, mode="lexical"))[0] == "wanted"


def test_one_document_does_not_fill_the_list(library, open_retriever):
    library.add("long", [f"Expense rule {number}: receipts are kept for travel." for number in range(20)])
    library.add("short", ["A word on receipts."])
    retriever = open_retriever(per_document=3)
    found = ids(retriever.retrieve(Query("expense rule receipts travel"), OPERATOR, k=4))
    assert found.count("long") == 3
    assert "short" in found
    alone = retriever.retrieve(Query("expense rule"), OPERATOR, k=8, filters=Filters(document_ids=("long",)))
    assert set(ids(alone)) == {"long"}
    assert sum(len(hit.chunk.text.splitlines()) for hit in alone.hits) == 20
    assert [hit.score for hit in alone.hits] == sorted((hit.score for hit in alone.hits), reverse=True)


def test_neighbours_are_one_passage_where_they_fit(library, open_retriever):
    long = " ".join(["Receipts are kept."] * 40)
    passages = ["Receipts of travel are kept.", "So are receipts of meals.", long, f"{long} So it is."]
    library.add("rules", passages)
    hits = open_retriever().retrieve(Query("which receipts of travel are kept"), OPERATOR).hits
    text = "\n".join(passages)
    assert all(text[hit.chunk.start : hit.chunk.end] == hit.chunk.text for hit in hits)
    assert all(len(hit.chunk.text) <= JOINED_CHARACTERS for hit in hits)
    assert "\n".join(passages[:2]) in hits[0].chunk.text
    assert len(hits) < len(passages)


def test_near_duplicates_fold_into_one_hit(library, open_retriever):
    library.add("policy", ["Visitors must sign in at the front desk before they enter the lab."])
    library.add(
        "copy", ["Visitors must sign in at the front desk before they enter the labs."], near_duplicate_of="policy"
    )
    library.add("other", ["Visitors are welcome on Mondays."])
    found = open_retriever().retrieve(Query("visitors sign in at the front desk before entering the lab"), OPERATOR)
    assert sorted(ids(found)) == ["other", "policy"]
    assert found.hits[0].also_in == ("copy.md",)


def test_a_duplicate_is_shown_to_whom_only_it_is_open(library, open_retriever):
    library.add("original", ["The alarm code is changed monthly."], allow=["group:hr"])
    library.add("twin", ["The alarm code is changed monthly."], allow=["user:ben"], duplicate_of="original")
    retriever = open_retriever()
    seen = retriever.retrieve(Query("alarm code"), BEN).hits
    assert [(hit.chunk.document_id, hit.source, hit.also_in) for hit in seen] == [("twin", "twin.md", ())]
    everything = retriever.retrieve(Query("alarm code"), OPERATOR).hits
    assert [(hit.chunk.document_id, hit.also_in) for hit in everything] == [("original", ("twin.md",))]


def test_carried_chunks_stay_candidates_if_permitted(handbook, open_retriever):
    retriever = open_retriever(candidates=1)
    carried = (*handbook.chunk_ids("salaries"), 10**9)
    query = Query("annual leave days", carry=carried)
    assert "salaries" in ids(retriever.retrieve(query, ANA, k=8))
    assert "salaries" not in ids(retriever.retrieve(query, BEN, k=8))


def test_an_empty_store_has_no_hits(open_retriever):
    found = open_retriever().retrieve(Query("anything"), OPERATOR)
    assert (found.hits, found.index_seq) == ((), 0)


@pytest.mark.parametrize("text", ["", "   ", "the of and", "AND OR (", "\x00", "?" * 5000])
def test_odd_queries_do_not_fail(handbook, open_retriever, text):
    retriever = open_retriever()
    for mode in ("dense", "lexical", "hybrid"):
        retriever.retrieve(Query(text), OPERATOR, mode=mode)


def test_rerank_without_a_reranker_is_refused(handbook, open_retriever):
    with pytest.raises(InvalidInput, match="reranker"):
        open_retriever().retrieve(Query("leave"), OPERATOR, rerank=True)


def test_searches_that_differ_in_one_field_alone_keep_their_own_permission(library, open_retriever):
    library.add("north", ["Travel to the north is booked by the office."], attributes={"region": "north"})
    library.add("south", ["Travel to the south is booked by the office."], attributes={"region": "south"})
    retriever = open_retriever()
    for region in ("north", "south", "north"):
        found = retriever.retrieve(Query("travel booked"), OPERATOR, filters=Filters(metadata={"region": region}))
        assert ids(found) == [region]
