"""Passages are slices of the text, along its structure, within the encoder's window."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db.session import Database
from core.settings import IngestSettings
from ingest.chunk import ChunkDraft, chunk
from ingest.clean import assemble
from ingest.near import NearDuplicates
from ingest.parsed import Block, ParsedDocument, RawDocument
from ingest.sketch import jaccard, shingles, sketch_of
from ingest.tokens import TokenCounter
from models.encoder import Encoder

LIMITS = IngestSettings(chunk_tokens=60, chunk_overlap_tokens=12)


def parsed(*blocks: Block, title: str = "Title", pages: int = 0) -> ParsedDocument:
    return assemble(RawDocument(list(blocks), "text/plain", "test", title=title, pages=pages), "name")


def cut(encoder: Encoder, document: ParsedDocument) -> list[ChunkDraft]:
    chunks = chunk(document, LIMITS, TokenCounter(encoder.token_spans), encoder.max_tokens)
    for one in chunks:
        assert one.text == document.text[one.start : one.end] != ""
        assert len(encoder.token_spans(one.embedded)) <= encoder.max_tokens - 2
    return chunks


def test_sections_part_passages_and_their_headings_go_with_them(encoder: Encoder) -> None:
    body = "The office opens at nine in the morning and closes at five in the evening on every working day. " * 2
    document = parsed(
        Block("heading", "Hours", level=1), Block("text", body), Block("heading", "Pay", level=1), Block("text", body)
    )
    chunks = cut(encoder, document)
    assert [one.heading for one in chunks] == ["Title › Hours", "Title › Pay"]
    assert all(one.text == body.strip() for one in chunks)


def test_long_prose_is_cut_between_sentences_and_overlaps(encoder: Encoder) -> None:
    sentences = [f"Sentence number {n} says something about topic {n}." for n in range(30)]
    chunks = cut(encoder, parsed(Block("text", " ".join(sentences))))
    assert len(chunks) > 3
    for before, after in pairwise(chunks):
        assert before.text.endswith(".")
        assert after.start < before.end
    assert {sentence for sentence in sentences if any(sentence in one.text for one in chunks)} == set(sentences)


def test_a_split_table_repeats_its_header_in_the_heading(encoder: Encoder) -> None:
    rows = "\n".join(["| Grade | Salary |", "| --- | --- |", *(f"| G{n} | {n}000 euros |" for n in range(40))])
    chunks = cut(encoder, parsed(Block("table", rows)))
    assert len(chunks) > 2
    assert all(one.heading.endswith("| Grade | Salary |") for one in chunks[1:])
    assert all(line.endswith("|") for one in chunks for line in one.text.split("\n"))


def test_no_passage_spans_two_pages(encoder: Encoder) -> None:
    chunks = cut(encoder, parsed(*(Block("text", f"Short text {n}.", page=n) for n in range(1, 4)), pages=3))
    assert [(one.page, one.text) for one in chunks] == [(n, f"Short text {n}.") for n in range(1, 4)]


def test_a_word_without_end_is_cut_all_the_same(encoder: Encoder) -> None:
    assert len(cut(encoder, parsed(Block("text", "x" * 3000), Block("text", "漢" * 500)))) > 5


def test_words_are_counted_as_the_encoder_counts_them(encoder: Encoder) -> None:
    text = "Unbelievably, the re-electrified tramway's cost: $12,345.67 (approx.)\n\nNaïve façades & ünïcödé."
    tokens = TokenCounter(encoder.token_spans)
    assert tokens.count(text) == len(tokens.spans(text)) == len(encoder.token_spans(text))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heading", "text", "list", "table", "code"]),
            st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=400),
        ),
        max_size=12,
    )
)
def test_every_word_of_any_document_is_in_a_passage_or_its_heading(
    encoder: Encoder, items: list[tuple[str, str]]
) -> None:
    document = parsed(*(Block(kind, text, level=1 if kind == "heading" else 0) for kind, text in items))  # type: ignore[arg-type]
    covered = set()
    chunks = cut(encoder, document)
    for one in chunks:
        covered |= set(range(one.start, one.end))
    headings = {at for span in document.spans if span.kind == "heading" for at in range(span.start, span.end)}
    for at, character in enumerate(document.text):
        assert at in covered or at in headings or character.isspace()


def test_jaccard_over_word_triples() -> None:
    assert jaccard(shingles("a b c d"), shingles("A, b c. d")) == 1.0
    assert jaccard(shingles("a b c d"), shingles("a b c e")) == 1 / 3
    assert jaccard(set(), set()) == 0.0


def test_a_text_too_long_for_word_triples_has_no_sketch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"word{n}" for n in range(100))
    assert sketch_of(text)
    monkeypatch.setattr("ingest.sketch.MAX_CHARACTERS", 50)
    assert sketch_of(text) == ""
    assert NearDuplicates(database, "default", 0.8).find(text, "", "a.txt") is None
