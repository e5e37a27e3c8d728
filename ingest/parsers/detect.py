"""What a file is, by its content; its name only decides between kinds of text."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"BM", "bmp"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "onenote"),
    (b"\xffWPC", "wordperfect"),
    (b"MZ", "executable"),
    (b"\x7fELF", "executable"),
    (b"\xca\xfe\xba\xbe", "executable"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"OggS", "media"),
    (b"ID3", "media"),
    (b"fLaC", "media"),
    (b"\x1aE\xdf\xa3", "media"),
)
_BY_NAME = {
    ".md": "markdown", ".markdown": "markdown", ".mdx": "markdown", ".html": "html", ".htm": "html", ".xhtml": "html",
    ".eml": "eml", ".mbox": "mbox", ".ipynb": "notebook", ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".json": "json",
    ".ndjson": "jsonl", ".jsonl": "jsonl", ".xml": "xml", ".nxml": "xml", ".svg": "xml", ".rst": "markup",
    ".org": "markup", ".adoc": "asciidoc", ".asciidoc": "asciidoc", ".vtt": "subtitles", ".srt": "subtitles",
} | dict.fromkeys((
    ".py", ".js", ".jsx", ".ts", ".tsx", ".java", ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".go", ".rs", ".rb", ".php",
    ".sh", ".bash", ".ps1", ".bat", ".sql", ".r", ".pl", ".lua", ".scala", ".kt", ".swift", ".css", ".yaml", ".yml",
    ".toml", ".ini", ".cfg", ".conf", ".properties", ".proto", ".tf", ".log",
), "code")  # fmt: skip
_PADDING = 0.2
"""Share of zeros up to which text is text that a machine padded, or ended its strings with."""
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MAIL_HEADER = re.compile(
    rb"\A(?:From |(?:Return-Path|Received|MIME-Version|Message-ID|Delivered-To|From|Date|X-[\w-]+):)", re.IGNORECASE
)
_CALENDAR_CARD = re.compile(rb"\ABEGIN:V(?P<calendar>CALENDAR|EVENT|TODO)\b|\ABEGIN:VCARD\b", re.IGNORECASE)
_MAIL_FIELD = re.compile(rb"^(?:From|To|Subject|Date|Message-ID|MIME-Version|Received):", re.IGNORECASE | re.MULTILINE)


def detect(path: Path, name: str) -> str:
    """Return the family of a file: the name of a branch in `dispatch`."""
    with path.open("rb") as file:
        head = file.read(8192)
    suffix = Path(name).suffix.lower()
    if not head:
        return "empty"
    family = _by_magic(head)
    if family == "zip":
        return _in_zip(path)
    if family == "ole":
        return _in_ole(path)
    if family is not None:
        return family
    if len(head) > 262 and head[257:262] == b"ustar":
        return "tar"
    return _text_family(head, suffix)


def _by_magic(head: bytes) -> str | None:
    for magic, family in _MAGIC:
        if head.startswith(magic):
            if family == "bmp" and not (len(head) > 14 and head[6:10] == b"\0\0\0\0"):
                continue
            if family == "executable" and magic == b"MZ" and b"\0" not in head[:256]:
                continue
            return "image" if family == "bmp" else family
    if head[:4] == b"RIFF":
        return "image" if head[8:12] == b"WEBP" else "media"
    if head[4:8] == b"ftyp":
        return "media"
    if b"%PDF-" in head[:1024]:
        return "pdf"
    return None


def _in_zip(path: Path) -> str:
    """Tell Office, OpenDocument, EPUB and the rest apart by their members."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            mime = archive.read("mimetype")[:100].decode("ascii", "replace") if "mimetype" in names else ""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError):
        return "zip"
    if "epub" in mime or "META-INF/container.xml" in names:
        return "epub"
    if "opendocument" in mime or {"content.xml", "META-INF/manifest.xml"} <= names:
        return "odf"
    for member, family in (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx"), ("visio/", "visio")):
        if any(name.startswith(member) for name in names) and "[Content_Types].xml" in names:
            return family
    if "Index/Document.iwa" in names or "Index.zip" in names or any(name.endswith(".apxl") for name in names):
        return "iwork"
    return "iwork" if {"index.xml", "buildVersionHistory.plist"} <= names or "index.apxl.gz" in names else "zip"


def _in_ole(path: Path) -> str:
    import olefile  # type: ignore[import-untyped]

    try:
        with olefile.OleFileIO(str(path)) as ole:
            streams = {"/".join(parts).lower() for parts in ole.listdir()}
    except (OSError, ValueError, IndexError, TypeError):
        return "ole"
    if "encryptedpackage" in streams:
        return "encrypted_ooxml"
    for stream, family in (
        ("worddocument", "doc"),
        ("workbook", "xls"),
        ("book", "xls"),
        ("powerpoint document", "ppt"),
        ("__properties_version1.0", "msg"),
        ("package", "ole_wrapper"),
        ("contents", "ole_wrapper"),
        ("\x01ole10native", "ole_wrapper"),
    ):
        if stream in streams:
            return family
    return "ole"


def _text_family(head: bytes, suffix: str) -> str:
    if not _is_text(head):
        return "html" if _HTML.search(head[:1024]) and head.lstrip().startswith(b"<") else "binary"
    named = _BY_NAME.get(suffix)
    ascii_head = head.replace(b"\0", b"").lstrip(b"\xff\xfe\xef\xbb\xbf \r\n\t")
    if (found := _CALENDAR_CARD.match(ascii_head)) is not None:
        return "calendar" if found["calendar"] else "card"
    if named:
        return "html" if named == "xml" and _HTML.search(ascii_head[:1024]) else named
    if _MAIL_HEADER.match(ascii_head) and len(_MAIL_FIELD.findall(ascii_head)) >= 3:
        return "mbox" if ascii_head.startswith(b"From ") else "eml"
    if _HTML.search(ascii_head[:1024]) and ascii_head.startswith(b"<"):
        return "html"
    if ascii_head.startswith((b"<?xml", b"<svg")):
        return "xml"
    return "text"


def _is_text(head: bytes) -> bool:
    """Tell text in any encoding from binary data: binary has control characters, and zeros in no pattern."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    zeros, even, odd = head.count(0), head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > 0.4 * (len(head) / 2):
        return min(even, odd) < 0.02 * len(head)  # every other byte: UTF-16
    if zeros > _PADDING * len(head):
        return False
    head = head.replace(b"\0", b"")
    control = sum(head.count(bytes([byte])) for byte in range(32) if byte not in (9, 10, 12, 13, 27))
    # EBCDIC and old code pages use some control bytes for line ends.
    return control <= 0.02 * len(head)
