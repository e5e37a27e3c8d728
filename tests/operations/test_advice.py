"""What the product and its pages tell people to run exists."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from core import errors
from core.errors import MissingExtra

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "Makefile", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_advice_for_a_missing_package_names_no_package_of_strangers() -> None:
    """The index holds an `attest` of somebody else's."""
    told = str(MissingExtra("milvus", "pymilvus"))
    words = shlex.split(told.partition(" run: ")[2])
    assert words[1:] == ["-m", "pip", "install", "-c", "constraints.txt", "-e", ".[milvus]"]
    assert (ROOT / words[0]).resolve() == Path(sys.executable).resolve()
    assert (ROOT / "constraints.txt").is_file()


def test_without_a_checkout_no_command_is_made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(errors, "CHECKOUT", tmp_path)
    told = str(MissingExtra("milvus", "pymilvus"))
    assert "extra milvus" in told
    assert "pip install" not in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_a_page_runs_is_there(page: Path) -> None:
    for name in re.findall(r"python3? -m ([\w.]*\w)", page.read_text(encoding="utf-8")):
        found = find_spec(name)
        assert found is not None, name
        if found.submodule_search_locations is not None:
            assert find_spec(f"{name}.__main__") is not None, name


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md"], ids=lambda page: page.name)
def test_no_page_names_the_package_of_strangers(page: Path) -> None:
    assert not re.search(r"\battest\[", page.read_text(encoding="utf-8"))
