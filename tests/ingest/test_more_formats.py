"""Notebooks, code, mailboxes and files inside files, each parsed in the sandbox."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import openpyxl
import pytest

from core.settings import IngestSettings
from ingest.parse import parse_file
from ingest.parsed import ParsedDocument
from ingest.sandbox import ParserPool


def read(pool: ParserPool, path: Path, content: str | bytes) -> ParsedDocument:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse_file(path, IngestSettings(), pool=pool)


def test_a_notebook_is_its_cells_not_its_json(pool: ParserPool, tmp_path: Path) -> None:
    picture = {"output_type": "display_data", "data": {"image/png": "iVBOR" * 100}}
    cells = [
        {"cell_type": "markdown", "source": ["# Churn\n", "We look at *churn*."]},
        {"cell_type": "code", "source": "if a:\n    print(b)", "outputs": [{"text": ["0.12\n"]}, picture]},
    ]
    document = read(pool, tmp_path / "a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    assert document.text == "Churn\n\nWe look at churn.\n\nif a:\n    print(b)\n\n0.12"
    assert [span.kind for span in document.spans] == ["heading", "text", "code", "code"]


@pytest.mark.parametrize("name", ["a.py", "a.yaml", "a.log"])
def test_code_keeps_its_indents(pool: ParserPool, tmp_path: Path, name: str) -> None:
    text = "server:\n  host: example.org\n    port: 80"
    assert read(pool, tmp_path / name, text).text == text


def test_a_mailbox_is_its_messages(pool: ParserPool, tmp_path: Path) -> None:
    postmark = "From a@x Mon Jan  1 10:00:00 2024\n"
    box = "\n".join(f"{postmark}From: a@x\nSubject: No {n}\n\nBody {n}.\nFrom here on 2024.\n" for n in (1, 2))
    for name in ("a.mbox", "a"):
        document = read(pool, tmp_path / name, box.replace("Subject", "To: b@x\nSubject"))
        assert [child.title for child in document.children] == ["No 1", "No 2"]
        assert "From here on 2024." in document.children[0].text


def test_files_embedded_in_rtf_are_read(pool: ParserPool, tmp_path: Path) -> None:
    def text(value: bytes) -> bytes:
        return (len(value) + 1).to_bytes(4, "little") + value + b"\0"

    inside = b"Words of the embedded file."
    native = b"\x02\0note.txt\0C:\\note.txt\0\0\0\x03\0" + text(b"C:\\note.txt") + len(inside).to_bytes(4, "little")
    native += inside
    packed = b"\x01\x05\0\0\x02\0\0\0" + text(b"Package") + b"\0" * 8 + len(native).to_bytes(4, "little") + native
    document = read(pool, tmp_path / "a.rtf", b"{\\rtf1 Outer.{\\object{\\*\\objdata " + packed.hex().encode() + b"}}}")
    assert document.text == "Outer."
    assert [child.text for child in document.children] == ["Words of the embedded file."]


def test_a_workbook_embedded_in_a_document_is_read(pool: ParserPool, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Share", "Sum"])
    book.active.append([0.25, "=A2*2"])
    book.active["A2"].number_format = "0%"
    book.save(tmp_path / "inner.xlsx")
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<document><body><p><r><t>Outer words.</t></r></p></body></document>")
        archive.writestr("word/embeddings/sheet1.xlsx", (tmp_path / "inner.xlsx").read_bytes())
    document = parse_file(tmp_path / "a.docx", IngestSettings(), pool=pool)
    assert document.text == "Outer words."
    assert "| 25% | =A2*2 |" in document.children[0].text


def test_a_separator_line_is_no_row(pool: ParserPool, tmp_path: Path) -> None:
    assert read(pool, tmp_path / "a.csv", "sep=;\nname;city\nAna;Rome\n").text.startswith("| name | city |")
