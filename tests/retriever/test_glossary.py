from __future__ import annotations

import pytest

from core.errors import InvalidInput
from core.types import OPERATOR, Query
from retriever.glossary import NAME, PACKAGED, WEIGHT, Glossary, glossary_of


def glossary(tmp_path, text):
    file = tmp_path / "terms.txt"
    file.write_text(text, encoding="utf-8")
    return Glossary.read(file)


def test_a_term_is_found_as_whole_words_in_any_case(tmp_path):
    terms = glossary(tmp_path, "# a comment\n\nRPO | remaining  obligation = performance obligations; backlog\n")
    assert terms.meaning("How large is the rpo?") == "performance obligations; backlog"
    assert terms.meaning("the Remaining\nobligation of 2022") == "performance obligations; backlog"
    assert terms.meaning("an arpoon, a corpora") == ""


def test_the_longest_form_wins_and_each_meaning_comes_once(tmp_path):
    terms = glossary(tmp_path, "ratio = a share\nquick ratio | acid test = current assets\n")
    assert terms.meaning("quick ratio (the acid test), and a ratio") == "current assets; a share"


@pytest.mark.parametrize("line", ["quick ratio", "= current assets", "quick ratio =", "| = x"])
def test_a_line_without_term_and_meaning_is_refused_by_its_place(tmp_path, line):
    with pytest.raises(InvalidInput, match=r"terms\.txt:2"):
        glossary(tmp_path, f"a = b\n{line}\n")


def test_what_a_term_stands_for_is_searched_beside_what_was_said_before(tmp_path):
    terms = glossary(tmp_path, "quick ratio = current assets\n")
    query = Query("quick ratio carried words", asked="quick ratio?", earlier=(("before", 0.2),))
    assert terms.explained(query).earlier == (("before", 0.2), ("current assets", WEIGHT))
    assert terms.explained(Query("nothing known")) == Query("nothing known")


def test_the_packaged_one_reads_and_leaves_ordinary_questions_alone():
    packaged = Glossary.read(PACKAGED)
    assert "total current liabilities" in packaged.meaning("What is the quick ratio for FY2022?")
    for text in ("How many days of leave are there?", "Who won the cup in 1998?", "what is the margin of error"):
        assert packaged.meaning(text) == ""


def test_a_home_adds_terms_of_its_own_over_the_packaged_ones(tmp_path):
    (tmp_path / NAME).write_text("quick ratio = our own words\nblue book = the purchasing handbook\n", encoding="utf-8")
    own = glossary_of(tmp_path)
    assert own.meaning("quick ratio") == "our own words"
    assert own.meaning("the Blue Book") == "the purchasing handbook"
    assert "inventories" in own.meaning("inventory turnover")


@pytest.mark.parametrize("wanted", [True, False])
def test_a_search_finds_the_passage_a_term_stands_for(library, open_retriever, wanted):
    library.add("balance", ["Total current assets 15,754. Inventories 5,280. Total current liabilities 10,936."])
    library.add("racing", ["The ratio of quick laps to slow laps of the quick car is three."])
    found = open_retriever(glossary=wanted).retrieve(Query("quick ratio"), OPERATOR, k=2).hits
    assert found[0].source == ("balance.md" if wanted else "racing.md")


def test_a_glossary_of_another_encoding_is_named(tmp_path):
    (tmp_path / "glossary.txt").write_bytes("Größe = Maß".encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"glossary\.txt is not UTF-8"):
        glossary_of(tmp_path)
