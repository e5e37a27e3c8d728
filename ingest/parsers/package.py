"""Zip packages and XML from strangers: bounded reading, no entities from outside, no network."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from core.errors import AttestError, Encrypted, TooLarge, Unparseable, UnsupportedFormat
from ingest.parsers import zip_aes
from ingest.parsers.request import ParseRequest

PIECE_BYTES = 1 << 20
MAX_RATIO = 200
"""Text packs 3 to 20 times; what packs 200 times over `RATIO_FLOOR_BYTES` was made to."""
RATIO_FLOOR_BYTES = 10 * 2**20
MAX_XML_BYTES = 80 * 2**20
"""A tree takes about ten times its source in memory."""


class Package:
    """An opened zip file whose members are read within a budget."""

    def __init__(self, request: ParseRequest) -> None:
        try:
            self._zip = zipfile.ZipFile(request.path)
        except NotImplementedError as error:
            raise UnsupportedFormat(f"a kind of zip that cannot be read: {error}") from error
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise Unparseable(f"damaged zip container: {error}") from error
        self._password = request.password.encode() if request.password else None
        self._left = request.max_output_bytes
        self.members = [(info.filename.replace("\\", "/").lstrip("/"), info) for info in self._zip.infolist()]
        """All of them; several may have one name."""
        self.names = dict(self.members)

    def __enter__(self) -> Package:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def pieces(self, name: str, info: zipfile.ZipInfo | None = None) -> Iterator[bytes]:
        """Yield a member's bytes; `info` says which, where several have the name.

        Raises:
            TooLarge: it unpacks to more than the budget, or out of all proportion.
            Encrypted: it needs a password that was not given or is wrong.
            UnsupportedFormat: it is packed or encrypted in a way that cannot be read.
            Unparseable: it is damaged.
        """
        info, size = info or self.names[name], 0
        try:
            for piece in self._unpacked(info):
                size += len(piece)
                self._left -= len(piece)
                if size > RATIO_FLOOR_BYTES and size > MAX_RATIO * max(info.compress_size, 1):
                    raise TooLarge(f"{name} unpacks to more than {MAX_RATIO} times its size")
                if self._left < 0:
                    raise TooLarge("the container unpacks to more than is allowed (ingest.max_file_mb)")
                yield piece
        except AttestError:
            raise
        except NotImplementedError as error:  # a `RuntimeError` too, so it comes first
            raise UnsupportedFormat(f"{name} is packed in a way that cannot be read: {error}") from error
        except RuntimeError as error:  # zipfile has no type of its own for passwords
            raise Encrypted(f"{name} needs a password") from error
        except Exception as error:  # each way of packing has errors of its own: zlib, lzma, bz2
            raise Unparseable(f"damaged member {name}: {error}") from error

    def _unpacked(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        if info.compress_type == zip_aes.METHOD:
            yield from zip_aes.decrypted(self._zip, info, self._password, PIECE_BYTES)
            return
        with self._zip.open(info, pwd=self._password) as member:
            while piece := member.read(PIECE_BYTES):
                yield piece

    def read(self, name: str, limit: int = MAX_XML_BYTES) -> bytes:
        """Return a member's bytes, at most `limit` of them.

        Raises:
            TooLarge: there are more.
        """
        parts, size = [], 0
        for piece in self.pieces(name):
            size += len(piece)
            if size > limit:
                raise TooLarge(f"{name} is larger than {limit // 2**20} MB unpacked")
            parts.append(piece)
        return b"".join(parts)

    def xml(self, name: str) -> Any:
        """Return the root element of a member, `None` where there is no such member."""
        return parse_xml(self.read(name)) if name in self.names else None

    def relations(self, part: str) -> dict[str, str]:
        """Return id → member for the internal relations of an Office part."""
        folder, file = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{file}.rels"))
        found = {}
        for relation in root if root is not None else ():
            if relation.get("TargetMode") != "External":
                target = relation.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
                found[relation.get("Id", "")] = posixpath.normpath(path)
        return found


def parse_xml(content: bytes) -> Any:
    """Return the root element of an XML document; of entities those stand in the text that it declares itself.

    Raises:
        Unparseable: it is not well-formed, beyond what can be mended.
        TooLarge: its entities unpack out of all proportion.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities="internal", no_network=True, load_dtd=False, huge_tree=False, recover=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unparseable(f"not well-formed XML: {error}") from error
    if any("entity amplification" in error.message for error in parser.error_log):
        raise TooLarge("the entities of the XML unpack out of all proportion")
    if root is None:
        raise Unparseable("not well-formed XML")
    return root


def local(element: Any) -> str:
    """Return an element's name without its namespace; empty for comments and entities."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    """Return an attribute by its name without namespace."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None
