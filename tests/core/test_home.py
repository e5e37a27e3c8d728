"""A home that this process may not write is told in words that help, and no backup is brought back over it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.doctor import examine
from core.db.session import Database
from core.errors import HomeUnwritable, InvalidSetting
from core.settings import Settings, load_settings


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that everybody reaches, and a process that root's rights do not help."""
    folder = Path(tempfile.mkdtemp(prefix="attest-home-"))
    folder.chmod(0o755)
    root = os.geteuid() == 0
    yield folder
    if root:
        os.seteuid(0)
    (folder / "home").chmod(0o700)
    shutil.rmtree(folder)


def _closed(folder: Path, mode: int) -> Settings:
    settings = Settings(home=folder / "home")
    Database.open(settings).close()
    settings.home.chmod(mode)
    if os.geteuid() == 0:
        os.seteuid(65534)
    return settings


def test_a_home_that_may_only_be_read(unprivileged: Path) -> None:
    settings = _closed(unprivileged, 0o555)
    with pytest.raises(HomeUnwritable, match=r"home cannot be written: it belongs to user .* \(mode 555\)"):
        Database.open(settings)
    (found,) = examine(settings)
    assert not found.ok
    assert "ATTEST_HOME" in str(found.fix)
    assert "restore" not in str(found.fix)


def test_a_home_that_may_not_be_entered(unprivileged: Path) -> None:
    settings = _closed(unprivileged, 0o000)
    with pytest.raises(InvalidSetting, match="home cannot be read: Permission denied"):
        load_settings(settings.home)
    with pytest.raises(HomeUnwritable):
        Database.open(settings)
