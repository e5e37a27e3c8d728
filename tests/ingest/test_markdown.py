"""Markdown: what a page shows is in the text, in whatever of its forms it is written."""

from __future__ import annotations

import time

import pytest

from ingest.parsers.markdown import read_markdown


def test_a_footnote_is_text_and_the_address_of_a_link_is_none(read) -> None:
    text = read(
        "a.md",
        "Annual leave is 27 days[^1].\n\nSee [the plan][plan].\n\n"
        "[^1]: Part-time staff receive a share,\n    at least 15 days.\n[^b]: Unpaid leave is not counted.\n"
        '[plan]: https://example.org/plan "The plan"\n[other]: ../plans/other.md\n[third]: <a b>\n',
    ).text
    assert "[^1]: Part-time staff receive a share, at least 15 days." in text.splitlines()
    assert "[^b]: Unpaid leave is not counted." in text.splitlines()
    assert "plan]:" not in text
    assert "third" not in text


@pytest.mark.parametrize("line", ["[Important]: Notify your manager 3 weeks before.", "[Owner]: Ida", "[To do]: x"])
def test_words_in_brackets_before_a_colon_are_kept(read, line: str) -> None:
    assert line in read("a.md", f"First words.\n\n{line}\n").text


@pytest.mark.parametrize(
    "table",
    [
        "Plan | Price | Term\n--- | --- | ---\nBasic | 9 euros | monthly\nPro | 29 euros | yearly\n",
        "Plan | Price | Term\n:-|:-:|-:\nBasic | 9 euros | monthly\nPro | 29 euros | yearly\n",
        "| Plan | Price | Term\n| --- | --- | ---\n| Basic | 9 euros | monthly\n| Pro | 29 euros | yearly\n",
        "Plan | Price | Term |\n--- | --- | --- |\nBasic | 9 euros | monthly |\nPro | 29 euros | yearly |\n",
    ],
)
def test_a_table_needs_no_outer_bars(read, table: str) -> None:
    document = read("a.md", f"The plans are these:\n\n{table}\nAll prices are net | gross on request.\n")
    assert [span.kind for span in document.spans] == ["text", "table", "text"]
    span = document.spans[1]
    rows = document.text[span.start : span.end].splitlines()
    assert [rows[0], *rows[2:]] == [
        "| Plan | Price | Term |",
        "| Basic | 9 euros | monthly |",
        "| Pro | 29 euros | yearly |",
    ]
    assert set(rows[1]) <= set("|-: ")


def test_a_paragraph_above_a_table_stays_one(read) -> None:
    document = read("a.md", "The plans:\nPlan | Price\n--- | ---\nBasic | 9\n")
    assert [span.kind for span in document.spans] == ["text", "table"]


def test_an_escaped_bar_parts_no_cells(read) -> None:
    assert "| a/b | c |" in read("a.md", "| x | y |\n|---|---|\n| a\\|b | c |\n").text


def test_a_line_with_a_bar_before_a_rule_is_no_table(read) -> None:
    document = read("a.md", "Either this | or that\n\n---\n\nMore words.\n")
    assert "table" not in [span.kind for span in document.spans]


FIELDS = {
    "title": "Leave",
    "owner": "Ida Solberg",
    "review_months": 12,
    "tags": ["hr", "UK"],
    "draft": True,
}


@pytest.mark.parametrize(
    "head",
    [
        "---\ntitle: Leave\nowner: Ida Solberg\nreview_months: 12\ntags: [hr, UK]\ndraft: true\n---\n",
        '+++\ntitle = "Leave"\nowner = "Ida Solberg"\nreview_months = 12\ntags = ["hr", "UK"]\ndraft = true\n+++\n',
    ],
)
def test_what_front_matter_says_in_words_is_in_the_text_and_all_of_it_can_be_filtered_by(read, head: str) -> None:
    document = read("a.md", f"{head}# Leave\n\nAnnual leave is 27 days.\n")
    assert document.title == "Leave"
    assert document.metadata == FIELDS
    assert document.text.startswith("owner: Ida Solberg\nreview months: 12\ntags: hr, UK\n")
    assert "Annual leave is 27 days." in document.text


@pytest.mark.parametrize("head", ["+++\nno = = toml\n+++\n", "---\n: [\n---\n"])
def test_front_matter_that_cannot_be_read_stays_text(read, head: str) -> None:
    assert head.splitlines()[1] in read("a.md", f"{head}Words.\n").text


@pytest.mark.parametrize(
    "line",
    [
        "[a]: " + "/" * 40_000 + " x",
        "[a]: " + "a." * 20_000 + " x y",
        " " * 40_000 + "|x",
        "|---|" + " " * 40_000 + "x",
    ],
)
def test_a_line_made_to_be_slow_is_read_at_once(line: str) -> None:
    began = time.thread_time()
    read_markdown(f"a | b\n{line}\n")
    assert time.thread_time() - began < 2


def test_an_item_stands_further_in_than_the_one_it_lies_in(read) -> None:
    document = read(
        "a.md",
        "# Rules\n\n1. Leave is granted:\n   a) when it rains\n   b) when it\n      snows hard\n2. Step two\n\n"
        "   1. A sub step\n\n      A paragraph of it.\n\n      - deep\n   2. Another\n3. Last\n\n"
        "Prose.\n\n  - no longer below\n- beside it\n",
    )
    assert document.text == (
        "Rules\n\n1. Leave is granted:\n  a) when it rains\n  b) when it snows hard\n2. Step two\n  1. A sub step\n\n"
        "A paragraph of it.\n\n    - deep\n  2. Another\n3. Last\n\nProse.\n\n- no longer below\n- beside it"
    )
    assert all(not document.text[span.start].isspace() for span in document.spans)


def test_a_letter_that_lies_in_no_item_begins_none(read) -> None:
    text = (
        "The rules:\n   a) when it rains\n   b) when it snows\n\n- One item\n- Another that goes\n  on as a list does"
    )
    assert read("a.md", text).text == (
        "The rules: a) when it rains b) when it snows\n\n- One item\n- Another that goes on as a list does"
    )
