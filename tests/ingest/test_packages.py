"""Zip packages and archives through the real sandbox: members, passwords, damage."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import Encrypted, Unparseable, UnsupportedFormat
from ingest.parsers.package import Package
from ingest.parsers.request import ParseRequest
from tests.ingest.samples import AES_ZIP, zipped

_FLAGS, _METHOD = 6, 8
"""Where a zip member's local header has its flags and its method; its central one has them two bytes later."""


def test_a_zip_archive_encrypted_with_aes_opens_with_its_password(read) -> None:
    packed = base64.b64decode(AES_ZIP)
    assert read("a.zip", packed, "secret").children[0].text.startswith("Some note text.")
    for password in (None, "wrong"):
        with pytest.raises(Encrypted):
            read("a.zip", packed, password)
    broken = bytearray(packed)
    broken[90] ^= 1
    with pytest.raises(Unparseable):
        read("a.zip", bytes(broken), "secret")


@pytest.mark.parametrize(
    ("patched", "expected"),
    [
        ({_METHOD: 97}, UnsupportedFormat),  # packed by a method that nothing here unpacks
        ({_FLAGS: 0x41}, UnsupportedFormat),  # the strong encryption, which no password opens here
        ({_FLAGS: 0x01}, Encrypted),  # the old encryption, which a password opens
    ],
)
def test_a_member_that_cannot_be_opened_says_why(
    tmp_path: Path, patched: dict[int, int], expected: type[Exception]
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "Words that are here.")
    packed = bytearray(buffer.getvalue())
    for at, value in patched.items():
        for header in (0, packed.index(b"PK\x01\x02") + 2):
            packed[header + at : header + at + 2] = value.to_bytes(2, "little")
    (tmp_path / "a.zip").write_bytes(packed)
    with Package(ParseRequest(tmp_path / "a.zip", "a.zip", tmp_path, 60.0)) as package, pytest.raises(expected):
        package.read("a.txt")


def test_an_error_of_our_own_passes_a_package_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(base64.b64decode(AES_ZIP))

    def refuse(*_: object) -> Iterator[bytes]:
        raise Encrypted("a certificate is needed")

    monkeypatch.setattr("ingest.parsers.zip_aes.decrypted", refuse)
    request = ParseRequest(tmp_path / "a.zip", "a.zip", tmp_path, 60.0)
    with Package(request) as package, pytest.raises(Encrypted, match="certificate"):
        package.read(next(iter(package.names)))


def test_an_archive_gives_its_members(read) -> None:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        info = tarfile.TarInfo("../../escape.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"kept"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    found = read("a.zip", zipped(a__one="# One\n\nText one.", b__two=tar.getvalue()))
    texts = [child.text for child in found.children]
    assert "Text one." in texts[0]
    assert [inner.text for inner in found.children[1].children[0].children] == ["kept"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_two_documents(read) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("same.txt", "The code word is walrus.")
        archive.writestr("same.txt", "The code word is pelican.")
    found = read("a.zip", buffer.getvalue())
    assert [child.text for child in found.children] == ["The code word is walrus.", "The code word is pelican."]
