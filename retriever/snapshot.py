"""Snapshots of the indexes: checksummed folders `v<seq>`, published by an atomic rename, never trusted unread.

Layout of one: `manifest.json`, `ids.i64`, `versions.i64`, `vectors.f32` (little-endian, row-major) and the
tantivy files under `lexical/`. Nothing in it is pickled; every file is checked against the manifest first.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.failpoints import failpoint
from retriever.analysis import ANALYSIS_VERSION
from retriever.vectors import Vectors, VectorView

logger = logging.getLogger(__name__)
FORMAT = 1
PIECE_BYTES = 1 << 22
ROWS_AT_ONCE = 1 << 14
"""Rows written at once: 25 MB at 384 dimensions, so that a snapshot needs no second matrix."""
KEPT = 2
"""Snapshots kept: the newest, and the one a slow reader may still be loading."""


@dataclass(frozen=True, slots=True)
class IndexIdentity:
    """What an index was made with; a snapshot of another identity is not used."""

    generation: int
    embedder: str
    revision: str
    dimension: int
    metric: str = "inner_product"
    analysis: int = ANALYSIS_VERSION
    format: int = FORMAT
    vectors: str = "memory"
    """Where vectors are searched: elsewhere, a snapshot holds none."""

    @property
    def columns(self) -> int:
        """The width of the matrix that is kept here."""
        return self.dimension if self.vectors == "memory" else 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was read and checked; its lexical files lie in the folder given to `load_newest`."""

    seq: int
    ids: NDArray[np.int64]
    versions: NDArray[np.int64]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Published:
    """What a snapshot is written from: a moment of the vectors and the committed tantivy folder of the same seq."""

    identity: IndexIdentity
    seq: int
    view: VectorView
    lexical: Path


Room = Callable[[int], Vectors]
"""Gives the place of so many vectors, shape (count, dimension), float32 in one piece."""


class SnapshotDamaged(Exception):
    """A snapshot does not hold what its manifest says; the message says where."""


def publish(folder: Path, indexes: Published, staged: Path) -> Path | None:
    """Write indexes as `folder/v<seq>`; `None` where another process published that one first, and it is sound.

    `staged` is a new folder of the caller's own on the same file system, which does not outlive a caller that dies.
    """
    target = folder / f"v{indexes.seq:012d}"
    if target.exists():
        if _sound(target, indexes.identity):
            return None
        shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    staged.mkdir(parents=True)
    try:
        _write_vectors(staged, indexes.view, indexes.identity.columns)
        copy_lexical(indexes.lexical, staged / "lexical")
        _write_manifest(staged, indexes)
        failpoint("snapshot.before_publish")
        os.rename(staged, target)
    except OSError:
        shutil.rmtree(staged, ignore_errors=True)
        if target.exists():
            return None
        raise
    _sync_folder(folder)
    for old in [path for path in _published(folder) if _seq(path) <= indexes.seq][:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_newest(
    folder: Path, identity: IndexIdentity, lexical: Path, seqs: range, *, room: Room | None = None
) -> Snapshot | None:
    """Read the newest sound snapshot of this identity taken within `seqs`, placing its tantivy files at `lexical`.

    A damaged or foreign snapshot is named in the log and passed over; `publish` puts a sound one in its place. `room`
    says where vectors are read to, so that they are never in memory twice; what lies there is of no use unless a
    snapshot is returned.
    """
    room = room or partial(_new_rows, identity.columns)
    for path in reversed(_published(folder)):
        if _seq(path) not in seqs:
            continue  # of another history of the store
        try:
            return _load(path, identity, lexical, room)
        except (SnapshotDamaged, OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("index snapshot %s is not used and will be rebuilt: %s", path.name, error)
            shutil.rmtree(lexical, ignore_errors=True)
    return None


def vectors_kind(path: Path) -> str:
    """Return where a snapshot's manifest says that vectors are searched; `memory` where it says nothing."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["identity"]["vectors"])
    except (OSError, ValueError, KeyError, TypeError):
        return "memory"


def copy_lexical(source: Path, target: Path) -> None:
    """Copy a committed tantivy folder; its segment files never change, so they are linked where possible."""
    target.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        if file.name.startswith(".tantivy") or not file.is_file():
            continue  # lock files; tantivy makes its own
        if file.name.endswith(".json"):
            shutil.copyfile(file, target / file.name)
            continue
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copyfile(file, target / file.name)


def drop_snapshots(indexes: Path) -> int:
    """Delete every snapshot of every generation, as a purge must; return how many there were."""
    folders = [path for generation in indexes.glob("g*") for path in _published(generation)]
    for path in folders:
        shutil.rmtree(path)
    return len(folders)


def _load(path: Path, identity: IndexIdentity, lexical: Path, room: Room) -> Snapshot:
    manifest = _manifest(path, identity)
    files: dict[str, str] = manifest["sha256"]
    shutil.rmtree(lexical, ignore_errors=True)
    lexical.parent.mkdir(parents=True, exist_ok=True)
    copy_lexical(path / "lexical", lexical)
    for name, expected in files.items():
        if name.startswith("lexical/"):
            _compare_file(path, name, expected)
    count = manifest["count"]  # no checksum covers it: compared with the files before memory is taken for it
    if (path / "vectors.f32").stat().st_size != 4 * count * identity.columns:
        raise SnapshotDamaged("row counts differ")
    keys, vectors = np.empty((2, count), dtype="<i8"), room(count)
    for row, name in zip(keys, ("ids.i64", "versions.i64"), strict=True):
        _read(path / name, files[name], row)
    _read(path / "vectors.f32", files["vectors.f32"], vectors)
    return Snapshot(int(manifest["seq"]), keys[0], keys[1], vectors)


def _manifest(path: Path, identity: IndexIdentity) -> dict[str, Any]:
    """Return what a snapshot of this identity says of itself; its files are all there."""
    manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if manifest["identity"] != asdict(identity):
        raise SnapshotDamaged(f"made as {manifest['identity']}, wanted {asdict(identity)}")
    if manifest["seq"] != _seq(path):  # no checksum covers the manifest itself
        raise SnapshotDamaged("its manifest names another seq than its folder")
    if set(manifest["sha256"]) != set(_files(path)):
        raise SnapshotDamaged("files are missing or added")
    return manifest


def _sound(path: Path, identity: IndexIdentity) -> bool:
    try:
        for name, expected in _manifest(path, identity)["sha256"].items():
            _compare_file(path, name, expected)
    except (SnapshotDamaged, OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _compare_file(path: Path, name: str, expected: str) -> None:
    with (path / name).open("rb") as stream:
        _compare(name, hashlib.file_digest(stream, "sha256").hexdigest(), expected)


def _read(path: Path, expected: str, into: NDArray[Any]) -> None:
    """Fill an array with a file's bytes, which must be as many and of the checksum expected."""
    if path.stat().st_size != into.nbytes:
        raise SnapshotDamaged("row counts differ")
    digest, place = hashlib.sha256(), into.data.cast("B") if into.size else memoryview(bytearray())
    with path.open("rb", buffering=0) as stream:
        at = 0
        while got := stream.readinto(place[at : at + PIECE_BYTES]):
            digest.update(place[at : at + got])
            at += got
    _compare(path.name, digest.hexdigest(), expected)


def _compare(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise SnapshotDamaged(f"{name} does not match its checksum")


def _new_rows(dimension: int, count: int) -> Vectors:
    return np.empty((count, dimension), dtype="<f4")


def _write_vectors(folder: Path, view: VectorView, columns: int) -> None:
    rows = np.flatnonzero(view.alive)
    view.ids[rows].astype("<i8").tofile(folder / "ids.i64")
    view.versions[rows].astype("<i8").tofile(folder / "versions.i64")
    with (folder / "vectors.f32").open("wb") as stream:
        for start in range(0, len(rows) if columns else 0, ROWS_AT_ONCE):
            stream.write(view.matrix[rows[start : start + ROWS_AT_ONCE]].astype("<f4", copy=False).data)


def _write_manifest(folder: Path, indexes: Published) -> None:
    digests = {}
    for name in _files(folder):
        path = folder / name
        with path.open("rb") as stream:
            digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
    about = {"identity": asdict(indexes.identity), "seq": indexes.seq, "count": indexes.view.count}
    manifest = {**about, "sha256": digests}
    with (folder / "manifest.json").open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    _sync_folder(folder / "lexical")
    _sync_folder(folder)


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != "manifest.json":
            yield name


def _published(folder: Path) -> list[Path]:
    return sorted(folder.glob("v*")) if folder.is_dir() else []


def _seq(path: Path) -> int:
    return int(path.name.removeprefix("v")) if path.name[1:].isdecimal() else -1


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
