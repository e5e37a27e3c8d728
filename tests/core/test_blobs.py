"""Blobs are whole or absent, are what their name says, and a damaged one is noticed and replaced."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.blobs import BlobStore, write_durably
from core.errors import InvalidInput, NotFound, StoreUnavailable


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def test_bytes_and_files_come_back(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    name = store.put(tmp_path / "a")
    assert store.put(b"x" * 3_000_000) == name
    assert store.read(name) == b"x" * 3_000_000
    assert list(store.names()) == [name]
    assert stat.S_IMODE(store.path(name).stat().st_mode) == 0o600


def test_a_deleted_blob_is_gone(store: BlobStore) -> None:
    name = store.put(b"secret")
    assert store.delete(name)
    assert not store.delete(name)
    assert not store.exists(name)
    with pytest.raises(NotFound):
        store.read(name)


def test_a_name_cannot_leave_the_folder(store: BlobStore) -> None:
    for name in ("../../etc/passwd", "a" * 63, "A" * 64, ""):
        with pytest.raises(InvalidInput):
            store.path(name)


def test_every_bit_flip_and_truncation_is_noticed_and_mended(store: BlobStore) -> None:
    draw = random.Random(7)
    data = draw.randbytes(4096)
    name = store.put(data)
    path = store.path(name)
    for _ in range(500):
        damaged = bytearray(data)
        if draw.random() < 0.8:
            damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        else:
            del damaged[draw.randrange(len(data)) :]
        path.write_bytes(damaged)
        assert not store.verify(name)
        with pytest.raises(StoreUnavailable, match="damaged"):
            store.read(name)
        assert store.put(data) == name
        assert store.verify(name)


def test_a_failed_write_leaves_nothing(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreUnavailable, match="No space"):
        store.put(b"data")
    monkeypatch.undo()
    assert list(store.names()) == []
    assert store.unfinished(older_than_s=-1) == []
    assert store.read(store.put(b"data")) == b"data"


@pytest.mark.parametrize("point", ["blob.writing", "blob.before_rename", "blob.after_rename"])
def test_a_killed_write_leaves_a_whole_blob_or_none(store: BlobStore, point: str) -> None:
    script = "import sys, core.blobs, pathlib; core.blobs.BlobStore(pathlib.Path(sys.argv[1])).put(b'z' * 5000)"
    environment = {**os.environ, "ATTEST_FAILPOINT": point}
    done = subprocess.run([sys.executable, "-c", script, str(store.root)], env=environment, check=False)
    assert done.returncode == -9
    assert all(store.verify(name) for name in store.names())
    assert len(list(store.names())) == (point == "blob.after_rename")
    assert len(store.unfinished(older_than_s=-1)) == (point != "blob.after_rename")
    assert store.unfinished() == []  # young: it may be somebody's who still writes


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    write_durably(path, b"one")
    write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
