"""Entities in XML: what a document declares itself is text, what would swell beyond measure is refused."""

from __future__ import annotations

import pytest

from core.errors import TooLarge
from ingest.parsers.package import parse_xml


def test_a_word_that_the_document_declares_is_read(read) -> None:
    content = '<!DOCTYPE l [<!ENTITY firm "Acme Corporation">]><l><p>The supplier is &firm; of Utrecht.</p></l>'
    assert read("a.xml", content).text == "The supplier is Acme Corporation of Utrecht."


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        ('<!ENTITY a0 "words">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)), "&a9;"),
        (f'<!ENTITY a "{"x" * 100_000}">', "<p>&a;</p>" * 2000),
    ],
)
def test_entities_that_swell_are_refused(declared: str, body: str) -> None:
    with pytest.raises(TooLarge):
        parse_xml(f"<!DOCTYPE l [{declared}]><l>{body}</l>".encode())
