"""Members of zip archives encrypted with AES, as WinZip and 7-Zip write them; `zipfile` reads only the old cipher.

The format: a salt, two bytes that check the password, the data in counter mode, ten bytes that check the data.
"""

from __future__ import annotations

import bz2
import hashlib
import hmac
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

METHOD = 99
_EXTRA = 0x9901
_ROUNDS = 1000
_CHECK_BYTES, _SEAL_BYTES = 2, 10
_KEY_BYTES = {1: 16, 2: 24, 3: 32}
_BLOCK = 16
_LOCAL_HEADER_BYTES = 30


class WrongPassword(RuntimeError):
    """The password does not fit; a `RuntimeError`, as `zipfile` raises for its own cipher."""


def decrypted(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, password: bytes | None, piece_bytes: int
) -> Iterator[bytes]:
    """Yield a member's bytes, unpacked.

    Raises:
        WrongPassword: there is none, or it does not fit.
        BadZipFile: the member was changed or damaged.
    """
    if not password:
        raise WrongPassword("a password is needed")
    strength, method = _described(info)
    file: Any = archive.fp
    begins = _data_begins(file, info)
    key_bytes = _KEY_BYTES[strength]
    file.seek(begins)
    salt, check = file.read(key_bytes // 2), file.read(_CHECK_BYTES)
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, _ROUNDS, 2 * key_bytes + _CHECK_BYTES)
    if not hmac.compare_digest(keys[-_CHECK_BYTES:], check):
        raise WrongPassword("the password does not fit")
    first = begins + key_bytes // 2 + _CHECK_BYTES
    size = info.compress_size - (key_bytes // 2 + _CHECK_BYTES + _SEAL_BYTES)
    seal = hmac.new(keys[key_bytes : 2 * key_bytes], digestmod="sha1")
    for sealed in _read(file, first, size, piece_bytes):
        seal.update(sealed)
    if not hmac.compare_digest(seal.digest()[:_SEAL_BYTES], file.read(_SEAL_BYTES)):
        raise zipfile.BadZipFile("the seal of an encrypted member is broken")
    yield from _unpacked(_opened(_read(file, first, size, piece_bytes), keys[:key_bytes]), method, piece_bytes)


def _described(info: zipfile.ZipInfo) -> tuple[int, int]:
    """Return the strength of the key and the method of packing that the member's extra field names."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == _EXTRA and size >= 7 and extra[8] in _KEY_BYTES:
            return extra[8], int.from_bytes(extra[9:11], "little")
        extra = extra[4 + size :]
    raise zipfile.BadZipFile("an encrypted member does not say how")


def _data_begins(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES:
        raise zipfile.BadZipFile("an encrypted member is cut short")
    name_bytes, extra_bytes = struct.unpack("<HH", header[26:30])
    return info.header_offset + _LOCAL_HEADER_BYTES + int(name_bytes) + int(extra_bytes)


def _read(file: IO[bytes], begins: int, size: int, piece_bytes: int) -> Iterator[bytes]:
    """Yield a stretch of a file; every piece but the last is whole blocks of the cipher."""
    file.seek(begins)
    while size > 0:
        piece = file.read(min(piece_bytes, size))
        if not piece:
            raise zipfile.BadZipFile("an encrypted member is cut short")
        size -= len(piece)
        yield piece


def _opened(pieces: Iterator[bytes], key: bytes) -> Iterator[bytes]:
    """Decrypt; the counter is little-endian, which no library's counter mode is, so its stream is made here."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    stream = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    count = 1
    for piece in pieces:
        blocks = -(-len(piece) // _BLOCK)
        counters = np.zeros((blocks, 2), dtype="<u8")
        counters[:, 0] = np.arange(count, count + blocks, dtype=np.uint64)
        count += blocks
        mask = np.frombuffer(stream.update(counters.tobytes()), dtype=np.uint8)[: len(piece)]
        yield (np.frombuffer(piece, dtype=np.uint8) ^ mask).tobytes()


def _unpacked(pieces: Iterator[bytes], method: int, piece_bytes: int) -> Iterator[bytes]:
    """Unpack in bounded pieces, so that a bomb is seen before it is held."""
    if method == zipfile.ZIP_STORED:
        yield from pieces
    elif method == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-15)
        for piece in pieces:
            while piece:
                yield inflate.decompress(piece, piece_bytes)
                piece = inflate.unconsumed_tail
        yield inflate.flush()
    elif method == zipfile.ZIP_BZIP2:
        unpacker = bz2.BZ2Decompressor()
        for piece in pieces:
            yield unpacker.decompress(piece, piece_bytes)
            while not unpacker.needs_input and not unpacker.eof:
                yield unpacker.decompress(b"", piece_bytes)
    else:
        raise NotImplementedError(f"packed by method {method}")
