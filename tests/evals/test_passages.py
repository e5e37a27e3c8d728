from evals.passages import LetterMap, Span, marked_sections, page_spans, section_spans

RAW = """# Normans

<!-- paragraph 1 -->
The **Normans** were people in [Normandy](https://example.org).

<!-- paragraph 2 -->
They had a leader named Rollo, who swore fealty.
"""
CLEAN = "Normans\n\nThe Normans were people in Normandy.\n\nThey had a leader named Rollo, who swore fealty."


def test_sections_are_cut_at_their_comments():
    sections = marked_sections(RAW)
    assert list(sections) == ["paragraph 1", "paragraph 2"]
    assert "Rollo" in sections["paragraph 2"]
    assert "<!--" not in sections["paragraph 1"]


def test_a_section_is_found_again_in_cleaned_text():
    span = section_spans(RAW, CLEAN)["paragraph 2"]
    assert CLEAN[span.start : span.end].startswith("They had a leader")
    assert CLEAN[span.start : span.end].endswith("swore fealty")


def test_a_section_whose_markup_left_letters_behind_is_found_by_its_lines():
    raw = RAW.replace("were people in", "were people whose homes stood for long in")
    clean = CLEAN.replace("were people in", "were people whose homes stood for long in")
    span = section_spans(raw, clean)["paragraph 1"]
    assert clean[span.start : span.end].startswith("The Normans were people")


def test_repeated_sections_are_found_in_reading_order():
    raw = "<!-- section 1 -->\nSame words here.\n<!-- section 2 -->\nBetween.\n<!-- section 3 -->\nSame words here.\n"
    clean = "Same words here.\nBetween.\nSame words here."
    spans = section_spans(raw, clean)
    assert spans["section 3"].start > spans["section 2"].start > spans["section 1"].start


def test_letters_are_found_across_white_space_ligatures_and_case():
    text = "A signi\ufb01cant\n  RISE of \u0130zmir."
    span = LetterMap(text).find("significant rise")
    assert text[span.start : span.end] == "signi\ufb01cant\n  RISE"
    assert LetterMap(text).find("nowhere") is None
    assert LetterMap("").find("x") is None


def test_spans_share_characters():
    assert Span(0, 10).overlap(Span(5, 20)) == 5
    assert Span(0, 10).mostly_in(Span(5, 20))
    assert not Span(0, 10).mostly_in(Span(6, 20))
    assert Span(0, 100).meets(Span(40, 50))
    assert not Span(0, 100).mostly_in(Span(40, 50))


def test_a_page_in_two_pieces_spans_both():
    assert page_spans([[1, 0, 10], [2, 10, 20], [1, 20, 30]]) == {1: Span(0, 30), 2: Span(10, 20)}


def test_a_text_without_markers_has_no_sections():
    assert marked_sections("# Leave\n\n<!-- a remark -->\nAsk early.") == {}
    assert section_spans("plain", "plain") == {}
