"""Archives: their members are unpacked into the spool within limits, each to be parsed on its own."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any

from core.errors import Encrypted, TooLarge, Unparseable, UnsupportedFormat
from ingest.names import why_no_member
from ingest.parsed import Attachment, RawDocument
from ingest.parsers.package import MAX_RATIO, PIECE_BYTES, RATIO_FLOOR_BYTES, Package
from ingest.parsers.request import ParseRequest

MAX_MEMBERS = 10_000
_SUFFIXES = {"gzip": (".gz", ".tgz"), "bzip2": (".bz2", ".tbz2"), "xz": (".xz", ".txz")}
_AES_7Z = b"\x06\xf1\x07\x01"
_SYMLINK = 0xA


def parse_zip(request: ParseRequest) -> RawDocument:
    """Unpack a zip archive; links are passed over.

    Raises:
        Encrypted: it needs a password that was not given, or none of it opens with the one given.
        TooLarge: it unpacks beyond the limits.
    """
    raw, shut = RawDocument([], "application/zip", "zip"), list[Encrypted]()
    with Package(request) as package:
        for name, info in _limited((name, info) for name, info in package.members if not info.is_dir()):
            reason = "a link" if _link(info) else why_no_member(name)
            if reason is not None:
                _pass_over(raw, name, reason)
                continue
            try:
                _leave(raw, request, name, package.pieces(name, info))
            except Encrypted as error:
                if request.password is None:
                    raise
                shut.append(error)
                raw.warnings.append(f"{name}: {error.kind}: {error}")
    if shut and not raw.attachments:
        raise shut[0]
    return raw


def parse_tar(request: ParseRequest) -> RawDocument:
    """Unpack a tar archive; only regular files are taken.

    Raises:
        TooLarge: it unpacks beyond the limits.
        Unparseable: it is damaged.
    """
    raw = RawDocument([], "application/x-tar", "tar")
    left = request.max_output_bytes
    try:
        with tarfile.open(request.path, "r:") as archive:
            for member in _limited(member for member in archive if not member.isdir()):
                reason = why_no_member(member.name) if member.isreg() else "a link, a pipe or a device"
                if reason is not None:
                    _pass_over(raw, member.name, reason)
                    continue
                left -= member.size
                if left < 0:
                    raise TooLarge("the archive unpacks to more than is allowed (ingest.max_file_mb)")
                file = archive.extractfile(member)
                if file is not None:
                    _leave(raw, request, member.name, _pieces(file))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Unparseable(f"damaged archive: {error}") from error
    return raw


def parse_compressed(request: ParseRequest, family: str) -> RawDocument:
    """Unpack a single compressed file (gzip, bzip2, xz).

    Raises:
        TooLarge: it unpacks beyond the limits.
        Unparseable: it is damaged.
    """
    opener: Any = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}[family]
    raw = RawDocument([], f"application/{family}", family)
    try:
        with opener(request.path, "rb") as file:
            _leave(raw, request, _inner_name(request.name, family), _bounded(file, request))
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise Unparseable(f"damaged compressed file: {error}") from error
    return raw


def refuse_7z(request: ParseRequest) -> RawDocument:
    """Say why a 7z archive is not read: no permissively licensed library reads it.

    Raises:
        Encrypted: it is encrypted.
        UnsupportedFormat: it is not.
    """
    if _AES_7Z in request.read():
        raise Encrypted("the 7z archive is encrypted")
    raise UnsupportedFormat("7z archives cannot be read; repack it as zip or tar")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _bounded(file: IO[bytes], request: ParseRequest) -> Iterator[bytes]:
    packed, size = request.path.stat().st_size, 0
    while piece := file.read(PIECE_BYTES):
        size += len(piece)
        if size > request.max_output_bytes:
            raise TooLarge("the file unpacks to more than is allowed (ingest.max_file_mb)")
        if size > RATIO_FLOOR_BYTES and size > MAX_RATIO * packed:
            raise TooLarge(f"the file unpacks to more than {MAX_RATIO} times its size")
        yield piece


def _limited(members: Iterable[Any]) -> Iterator[Any]:
    for number, member in enumerate(members):
        if number >= MAX_MEMBERS:
            raise TooLarge(f"the archive has more than {MAX_MEMBERS} members")
        yield member


def _link(info: Any) -> bool:
    return bool((info.external_attr >> 28) == _SYMLINK)


def _leave(raw: RawDocument, request: ParseRequest, name: str, pieces: Iterable[bytes]) -> None:
    """Write a member to the spool under a number; its name is only a label."""
    path = request.spool / f"{len(raw.attachments):05d}"
    with path.open("wb") as target:
        for piece in pieces:
            target.write(piece)
    if path.stat().st_size:
        raw.attachments.append(Attachment(name, path.name))
    else:
        path.unlink()
        _pass_over(raw, name, "empty")


def _pass_over(raw: RawDocument, name: str, reason: str) -> None:
    raw.counts.setdefault("left_out", []).append((name, reason))


def _inner_name(name: str, family: str) -> str:
    short, long = _SUFFIXES[family]
    if name.lower().endswith(long):
        return name[: -len(long)] + ".tar"
    return name[: -len(short)] if name.lower().endswith(short) else f"{name}.unpacked"
