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
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.failpoints import failpoint
from retriever.analysis import ANALYSIS_VERSION
from retriever.vectors import Vectors, VectorView

logger = logging.getLogger(__name__)
FORMAT = 1
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was read and checked; its lexical files lie in the folder given to `load_newest`."""

    seq: int
    ids: NDArray[np.int64]
    versions: NDArray[np.int64]
    vectors: Vectors


class SnapshotDamaged(Exception):
    """A snapshot does not hold what its manifest says; the message says where."""


def publish(folder: Path, identity: IndexIdentity, seq: int, view: VectorView, lexical: Path) -> Path | None:
    """Write the indexes as `folder/v<seq>`; `None` where another process published that one first."""
    target = folder / f"v{seq:012d}"
    if target.exists():
        return None
    staged = folder / f".staged-{uuid.uuid4().hex}"
    staged.mkdir(parents=True)
    try:
        _write_vectors(staged, view)
        copy_lexical(lexical, staged / "lexical")
        _write_manifest(staged, identity, seq, view.count)
        failpoint("snapshot.before_publish")
        os.rename(staged, target)
    except OSError:
        shutil.rmtree(staged, ignore_errors=True)
        if target.exists():
            return None
        raise
    _sync_folder(folder)
    for old in [path for path in _published(folder) if _seq(path) <= seq][:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_newest(folder: Path, identity: IndexIdentity, lexical: Path, seqs: range) -> Snapshot | None:
    """Read the newest sound snapshot of this identity taken within `seqs`, placing its tantivy files at `lexical`.

    A damaged or foreign snapshot is named in the log and passed over.
    """
    for path in reversed(_published(folder)):
        if _seq(path) not in seqs:
            continue  # of another history of the store
        try:
            return _load(path, identity, lexical)
        except (SnapshotDamaged, OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("index snapshot %s is not used and will be rebuilt: %s", path.name, error)
            shutil.rmtree(lexical, ignore_errors=True)
    return None


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


def _load(path: Path, identity: IndexIdentity, lexical: Path) -> Snapshot:
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if manifest["identity"] != asdict(identity):
        raise SnapshotDamaged(f"made as {manifest['identity']}, wanted {asdict(identity)}")
    if manifest["seq"] != _seq(path):  # no checksum covers the manifest itself
        raise SnapshotDamaged("its manifest names another seq than its folder")
    files: dict[str, str] = manifest["sha256"]
    if set(files) != set(_files(path)):
        raise SnapshotDamaged("files are missing or added")
    shutil.rmtree(lexical, ignore_errors=True)
    lexical.parent.mkdir(parents=True, exist_ok=True)
    copy_lexical(path / "lexical", lexical)
    arrays: dict[str, bytes] = {}
    for name, expected in files.items():
        content = (path / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != expected:
            raise SnapshotDamaged(f"{name} does not match its checksum")
        if not name.startswith("lexical/"):
            arrays[name] = content
    ids = np.frombuffer(arrays["ids.i64"], dtype="<i8")
    versions = np.frombuffer(arrays["versions.i64"], dtype="<i8")
    vectors = np.frombuffer(arrays["vectors.f32"], dtype="<f4").reshape(-1, identity.dimension)
    if not len(ids) == len(versions) == len(vectors) == manifest["count"]:
        raise SnapshotDamaged("row counts differ")
    return Snapshot(int(manifest["seq"]), ids, versions, vectors)


def _write_vectors(folder: Path, view: VectorView) -> None:
    rows = np.flatnonzero(view.alive)
    view.ids[rows].astype("<i8").tofile(folder / "ids.i64")
    view.versions[rows].astype("<i8").tofile(folder / "versions.i64")
    view.matrix[rows].astype("<f4").tofile(folder / "vectors.f32")


def _write_manifest(folder: Path, identity: IndexIdentity, seq: int, count: int) -> None:
    digests = {}
    for name in _files(folder):
        path = folder / name
        with path.open("rb") as stream:
            digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
    manifest = {"identity": asdict(identity), "seq": seq, "count": count, "sha256": digests}
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
