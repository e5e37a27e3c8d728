"""Files embedded in others: OLE 1 objects in RTF, written as hexadecimal digits, and what OLE wraps around a file."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from core.errors import AttestError, Unparseable, UnsupportedFormat
from ingest.parsed import RawDocument
from ingest.parsers.mail import MAX_ATTACHMENTS
from ingest.parsers.package import Package
from ingest.parsers.request import ParseRequest, spool_file

_OBJECT = re.compile(rb"\\objdata\b\s*([0-9a-fA-F\s]+)")
_EMBEDDED = 2
_WRAPPED = ("package", "contents", "\x01ole10native")
_OFFICE = ("worddocument", "workbook", "book", "powerpoint document")
_KNOWN_HEADS = (b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"%PDF-", b"{\\rtf")


def embedded_files(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the (name, bytes) of every file embedded in an RTF text; what is no file of a known kind is passed over."""
    for found in _OBJECT.finditer(content):
        digits = b"".join(found[1].split())
        data = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
        try:
            name, native = _native(data)
        except (struct.error, ValueError):
            continue
        if name == "Package":
            try:
                yield _packaged(native)
            except (struct.error, ValueError):
                continue
        elif native.startswith(_KNOWN_HEADS):
            yield name, native


def _native(data: bytes) -> tuple[str, bytes]:
    """Return an object's class and its own bytes."""
    _, kind = struct.unpack_from("<II", data)
    if kind != _EMBEDDED:
        raise ValueError("a link, not an object")
    at, names = 8, []
    for _ in range(3):  # class, topic, item
        (length,) = struct.unpack_from("<I", data, at)
        names.append(data[at + 4 : at + 4 + length].rstrip(b"\0").decode("cp1252", "replace"))
        at += 4 + length
    (size,) = struct.unpack_from("<I", data, at)
    return names[0] or "object", data[at + 4 : at + 4 + size]


def _packaged(native: bytes) -> tuple[str, bytes]:
    """Return the name and bytes of the file in a package."""
    label_end = native.index(b"\0", 2)
    path_end = native.index(b"\0", label_end + 1)
    at = path_end + 1 + 4
    (length,) = struct.unpack_from("<I", native, at)
    at += 4 + length
    (size,) = struct.unpack_from("<I", native, at)
    label = native[2:label_end].decode("cp1252", "replace")
    return label or "package", native[at + 4 : at + 4 + size]


def leave_embedded(package: Package, raw: RawDocument, request: ParseRequest) -> None:
    """Leave the files embedded in an Office file for a parse of their own: those a reader opens, not charts' data."""
    charts = {part for name in package.names if "/charts/c" in name for part in package.relations(name).values()}
    for name in package.names:
        if (
            "/embeddings/" not in name
            or name in charts
            or name.endswith("/")
            or len(raw.attachments) >= MAX_ATTACHMENTS
        ):
            continue
        try:
            content = package.read(name)
        except AttestError as error:
            raw.warnings.append(f"{name}: {error.kind}: {error}")
            continue
        if _opens(content):
            spool_file(raw, request, name.rpartition("/")[2], content)


def _opens(content: bytes) -> bool:
    """Tell a file from an object that is only drawn, such as an equation."""
    import olefile  # type: ignore[import-untyped]

    if not content.startswith(_KNOWN_HEADS[0]):
        return content.startswith(_KNOWN_HEADS)
    try:
        with olefile.OleFileIO(content) as ole:
            return any(parts[0].lower() in (*_WRAPPED, *_OFFICE) for parts in ole.listdir() if len(parts) == 1)
    except (OSError, ValueError, IndexError, TypeError):
        return False


def parse_wrapper(request: ParseRequest) -> RawDocument:
    """Take the file out of an OLE object that holds nothing else.

    Raises:
        UnsupportedFormat: what it holds is no file of a known kind.
        Unparseable: it is damaged.
    """
    import olefile

    raw = RawDocument([], "application/x-ole-storage", "ole")
    try:
        with olefile.OleFileIO(str(request.path)) as ole:
            for parts in ole.listdir():
                if len(parts) != 1 or parts[0].lower() not in _WRAPPED:
                    continue
                data = ole.openstream(parts).read()
                name, inside = _packaged(data[4:]) if parts[0].lower() == "\x01ole10native" else ("embedded", data)
                if parts[0].lower() == "\x01ole10native" or inside.startswith(_KNOWN_HEADS):
                    spool_file(raw, request, name, inside)
    except (OSError, ValueError, IndexError, TypeError, struct.error) as error:
        raise Unparseable(f"not a readable OLE object: {error}") from error
    if not raw.attachments:
        raise UnsupportedFormat("OLE files of this kind cannot be read")
    return raw
