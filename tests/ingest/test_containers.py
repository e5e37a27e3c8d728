"""What lies in files: each thing has a name of its own, and what is nested too deeply is told as that."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ingest.containers import Containers, _names
from ingest.parse import MAX_DEPTH
from ingest.parsed import Attachment, ParsedDocument
from ingest.prepared import Prepared
from ingest.sandbox import ParseResult
from ingest.walk import Source


def test_every_member_has_a_name_of_its_own() -> None:
    assert _names(["a.txt", "a.txt (2)", "a.txt", "a.txt", "../b"]) == [
        "a.txt", "a.txt (2)", "a.txt (3)", "a.txt (4)", "b"
    ]  # fmt: skip


def test_a_container_says_why_nothing_of_it_got_in() -> None:
    containers = Containers()
    for depth, reason in ((0, "nothing in it could be read"), (MAX_DEPTH - 1, "nested too deeply")):
        document = ParsedDocument("", [], "a", "application/zip", "zip", attachments=[Attachment("b.txt", "0")])
        prepared = Prepared(
            Source(f"{depth}.zip", Path(), "a.zip", depth=depth), document, "", [], np.zeros((0, 1), np.float32), []
        )
        inside = containers.open(prepared, ParseResult(document, "", None))
        assert bool(inside) is (depth == 0)
        assert reason in containers.why_empty(prepared)


def test_a_second_member_of_a_name_is_read_as_what_its_name_says() -> None:
    attachments = [Attachment("prices.csv", "0"), Attachment("prices.csv", "1"), Attachment("../b\\c.md", "2")]
    document = ParsedDocument("", [], "a", "message/rfc822", "mail", attachments=attachments)
    prepared = Prepared(Source("a.eml", Path(), "a.eml"), document, "", [], np.zeros((0, 1), np.float32), [])
    inside = Containers().open(prepared, ParseResult(document, "", None))
    assert [(source.source, source.name) for source in inside] == [
        ("a.eml!/prices.csv", "prices.csv"),
        ("a.eml!/prices.csv (2)", "prices.csv"),
        ("a.eml!/b/c.md", "c.md"),
    ]
