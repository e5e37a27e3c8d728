"""Original files, named by the sha256 of their bytes.

A blob is on the disk for good before the row that names it commits: written beside its place, flushed, renamed,
and the folder flushed. A reader therefore sees a whole blob or none.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from core.errors import InvalidInput, NotFound, StoreUnavailable
from core.failpoints import failpoint
from core.home import belongs_to

NO_BLOB = ""
"""What stands in a row for the blob of a document that came as text: SQL holds all there is."""
PIECE_BYTES = 1 << 20
NAME = re.compile(r"[0-9a-f]{64}")
TEMPORARY = ".writing-"
CLOSED = "cannot be read"
EFFECTIVE = os.access in os.supports_effective_ids
STALE_S = 3600.0  # no single file takes an hour to copy


class BlobStore:
    """A folder of files by sha256, two hexadecimal digits a subfolder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, source: bytes | Path) -> str:
        """Store bytes or a file's content for good and return its sha256; a damaged copy is replaced.

        Raises:
            StoreUnavailable: the disk refused.
            OSError: the source itself cannot be read.
        """
        with _reading(source) as stream:
            name = sha256_of(stream)
            if self.verify(name):
                return name
            stream.seek(0)
            with _translated(f"cannot store blob {name}"):
                return self._write(stream)

    def path(self, name: str) -> Path:
        """Return where the blob of a sha256 lies or would lie.

        Raises:
            InvalidInput: the name is no sha256.
        """
        if not NAME.fullmatch(name):
            raise InvalidInput(f"not a sha256: {name!r}")
        return self.root / name[:2] / name

    def exists(self, name: str) -> bool:
        """Say whether the blob is there, without reading it."""
        return self.path(name).is_file()

    def open(self, name: str) -> BinaryIO:
        """Open a blob for reading.

        Raises:
            NotFound: there is no such blob.
            StoreUnavailable: it cannot be read.
        """
        try:
            return self.path(name).open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"blob {name} is missing; run: attest doctor") from error
        except OSError as error:
            raise StoreUnavailable(f"cannot read blob {name}: {error.strerror}") from error

    def read(self, name: str) -> bytes:
        """Return a blob's bytes, checked against its name.

        Raises:
            NotFound: there is no such blob.
            StoreUnavailable: it cannot be read or is damaged.
        """
        with self.open(name) as stream, _translated(f"cannot read blob {name}"):
            data = stream.read()
        if hashlib.sha256(data).hexdigest() != name:
            raise StoreUnavailable(f"blob {name} is damaged; run: attest doctor --repair")
        return data

    def verify(self, name: str) -> bool:
        """Say whether the blob is there and its bytes are those its name promises."""
        return self.state(name) == "whole"

    def state(self, name: str) -> str:
        """Return `whole`, `damaged` or `missing`; where this process may not read it, `CLOSED` and whose it is."""
        try:
            with self.path(name).open("rb") as stream:
                return "whole" if sha256_of(stream) == name else "damaged"
        except FileNotFoundError:
            return "missing"
        except PermissionError:
            return f"{CLOSED}: {belongs_to(self._closed_at(self.path(name)))}"
        except OSError:  # the disk does not give it
            return "damaged"

    def delete(self, name: str) -> bool:
        """Remove a blob for good; say whether there was one.

        Raises:
            StoreUnavailable: the disk refused.
        """
        path = self.path(name)
        failpoint("blob.before_delete")
        with _translated(f"cannot delete blob {name}"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            flush_folder(path.parent)
        return True

    def names(self) -> Iterator[str]:
        """Yield the sha256 of every blob that is there, in no order."""
        if self.root.is_dir():
            for path in self.root.glob("??/*"):
                if NAME.fullmatch(path.name):
                    yield path.name

    def unfinished(self, older_than_s: float = STALE_S) -> list[Path]:
        """Return what interrupted writes left behind; younger files may still be written by somebody."""
        left = self.root.glob(f"{TEMPORARY}*") if self.root.is_dir() else ()
        return sorted(path for path in left if time.time() - path.stat().st_mtime > older_than_s)

    def _closed_at(self, path: Path) -> Path:
        """Return the first of a blob's folders that this process may not enter, or the blob itself."""
        folders = (self.root, path.parent)
        return next((folder for folder in folders if not os.access(folder, os.X_OK, effective_ids=EFFECTIVE)), path)

    def _write(self, stream: BinaryIO) -> str:
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f"{TEMPORARY}{uuid4().hex}"
        try:
            name = _copy_durably(stream, temporary)
            failpoint("blob.before_rename")
            target = self.path(name)
            if not target.parent.is_dir():
                target.parent.mkdir(exist_ok=True)
                flush_folder(self.root)
            temporary.replace(target)
            failpoint("blob.after_rename")
            flush_folder(target.parent)
            return name
        finally:
            temporary.unlink(missing_ok=True)


def sha256_of(stream: BinaryIO) -> str:
    """Return the hexadecimal sha256 of what is left of a stream."""
    digest = hashlib.sha256()
    while piece := stream.read(PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename or removal in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a whole file so that after a crash either the old or the new one is there, never a part."""
    temporary = path.with_name(f"{TEMPORARY}{uuid4().hex}")
    try:
        _copy_durably(BytesIO(data), temporary)
        temporary.replace(path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _reading(source: bytes | Path) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield BytesIO(source)
        return
    with source.open("rb") as stream:
        yield stream


def _copy_durably(stream: BinaryIO, target: Path) -> str:
    """Copy a stream to a new file, readable by its owner alone, flush it, and return its sha256."""
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        while piece := stream.read(PIECE_BYTES):
            digest.update(piece)
            output.write(piece)
            failpoint("blob.writing")
        output.flush()
        os.fsync(output.fileno())
    return digest.hexdigest()


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{what}: {error.strerror or error}") from error
