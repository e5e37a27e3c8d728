"""What the product writes is its owner's alone, but for a group that the operator lets into the home."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.backup import backup
from app.cli import run
from app.doctor import examine
from core.blobs import BlobStore
from core.db.session import Database
from core.home import make_home, private_files
from core.settings import Settings, load_settings
from tests.operations.seeding import Seed, plant


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user of this machine can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="attest-open-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_home_is_its_owners_alone(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o700


def test_a_home_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o750)
    make_home(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o750


@pytest.mark.parametrize(("home", "file"), [(0o700, 0o600), (0o755, 0o640), (0o770, 0o660), (None, 0o600)])
def test_files_are_read_by_no_more_than_the_homes_group(tmp_path: Path, home: int | None, file: int) -> None:
    if home is not None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home").chmod(home)
    with private_files(tmp_path / "home"):
        (tmp_path / "file").touch()
    assert mode(tmp_path / "file") == file
    assert os.umask(0o022) == 0o022


def test_a_command_writes_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "home"))
    (tmp_path / "copy").mkdir(mode=0o755)
    assert run(["keys", "list"]) == 0
    assert run(["backup", str(tmp_path / "copy")]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert [path for path in files if mode(path) & 0o077] == []


def test_a_backup_is_its_owners_alone_whoever_calls(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "home")
    database = Database.open(settings)
    plant(database, settings, Seed("a", "alpha"))
    backup(database, settings, tmp_path / "copy")
    database.close()
    assert mode(tmp_path / "copy") == 0o700
    assert [path for path in (tmp_path / "copy").rglob("*") if path.is_file() and mode(path) & 0o077] == []


def _home(folder: Path, bits: int) -> Settings:
    settings = Settings(home=folder / "home")
    Database.open(settings).close()
    settings.home.chmod(bits)
    return settings


def _found(settings: Settings, name: str, *, repair: bool = False) -> tuple[bool, str, str]:
    (one,) = [result for result in examine(settings, repair=repair) if result.name == name]
    return one.ok, one.detail, one.fix or ""


@pytest.mark.parametrize("bits", [0o755, 0o751, 0o707])
def test_the_doctor_closes_a_home_that_everybody_may_enter(reachable: Path, bits: int) -> None:
    settings = _home(reachable, bits)
    ok, detail, fix = _found(settings, "home")
    assert not ok
    assert f"mode {bits:o}" in detail
    assert "--repair" in fix
    assert _found(settings, "home", repair=True)[0]
    assert mode(settings.home) == bits & 0o770


@pytest.mark.parametrize("bits", [0o700, 0o750, 0o770])
def test_a_group_let_in_is_the_operators_choice(reachable: Path, bits: int) -> None:
    assert _found(_home(reachable, bits), "home")[0]


def test_a_home_below_a_closed_folder_is_closed(reachable: Path) -> None:
    settings = _home(reachable, 0o755)
    reachable.chmod(0o700)
    assert _found(settings, "home")[0]


def test_a_home_that_another_owns_is_told_and_no_defect(reachable: Path) -> None:
    """As a container's volume is: whoever runs there cannot change its mode."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as others")
    settings = _home(reachable, 0o777)
    for path in settings.home.iterdir():
        path.chmod(0o666)
    os.seteuid(65534)
    try:
        ok, detail, _ = _found(settings, "home")
    finally:
        os.seteuid(0)
    assert ok
    assert "belongs to" in detail


def test_originals_of_another_user_are_not_called_damaged(reachable: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as others")
    settings = Settings(home=reachable / "home")
    database = Database.open(settings)
    plant(database, settings, Seed("a", "alpha"))
    database.close()
    store = BlobStore(settings.blobs)
    (name,) = store.names()
    for path in (settings.home, *settings.home.rglob("*")):
        os.chown(path, 65534, 65534)
    os.chown(store.path(name), 0, 0)
    store.path(name).chmod(0o600)
    os.seteuid(65534)
    try:
        ok, detail, fix = _found(settings, "blobs", repair=True)
    finally:
        os.seteuid(0)
    assert not ok
    assert "cannot be read: it belongs to user root (mode 600)" in detail
    assert "damaged" not in detail
    assert "restore" not in fix
