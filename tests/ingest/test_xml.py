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


def test_what_attributes_say_is_read_beside_the_words(read) -> None:
    text = read(
        "a.xml",
        '<catalog xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">'
        '<item id="A7" price="19.90" style="bold"><name xml:lang="en">Screwdriver</name><stock qty="4"/></item>'
        '<item id="B8"><name>Dowel</name><cost currency="EUR">5.50</cost></item></catalog>',
    ).text
    assert text.split("\n\n") == [
        "item id: A7, price: 19.90",
        "Screwdriver",
        "stock qty: 4",
        "item id: B8",
        "Dowel",
        "5.50 (currency: EUR)",
    ]


def test_a_file_of_attributes_alone_is_not_empty(read) -> None:
    text = read("a.xml", '<staff><person name="Ida" room="B12"/><person name="Ole" room="C3"/></staff>').text
    assert text.splitlines()[::2] == ["person name: Ida, room: B12", "person name: Ole, room: C3"]


def test_the_marks_of_prose_are_not_its_words(read) -> None:
    text = read(
        "a.xml",
        '<article dtd-version="1.2"><sec id="s1" sec-type="intro"><title>Wear</title>'
        '<p>The bearing <italic toggle="yes">wears</italic> evenly.</p></sec>'
        '<sec id="s2"><p>See <xref rid="s1">above</xref>.</p></sec></article>',
    ).text
    assert text.split("\n\n") == ["Wear", "The bearing wears evenly.", "See above."]
