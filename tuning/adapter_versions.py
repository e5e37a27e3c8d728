"""Versions of the adapters trained in a home: `adapters/NAME/v1, v2, …`; `current` names the one in force."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from core.errors import InvalidInput, NotFound

PACKAGED = "packaged"


def new_version(home: Path, name: str) -> tuple[str, Path]:
    """Return the name and folder of the next version; the folder is made by whoever writes it."""
    numbers = [int(path.name[1:]) for path in _folder(home, name).glob("v*") if path.name[1:].isdigit()]
    version = f"v{max(numbers, default=0) + 1}"
    return version, _folder(home, name) / version


def list_versions(home: Path, name: str) -> dict[str, Any]:
    """Return all versions with the date and held-out figures of their cards, and the one in force."""
    found = []
    for path in sorted(_folder(home, name).glob("v*/card.json"), key=lambda card: int(card.parent.name[1:])):
        card = json.loads(path.read_text(encoding="utf-8"))
        held_out = card["metrics"].get("held_out", {})
        found.append({"version": path.parent.name, "date": card["date"], "f1": held_out.get("f1")})
    return {"rail": name, "current": current_version(home, name), "versions": found}


def current_version(home: Path, name: str) -> str:
    """Return the version in force: `vN`, or `packaged`."""
    file = _folder(home, name) / "current"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else PACKAGED


def put_in_force(home: Path, name: str, version: str) -> None:
    """Make a version current, in one atomic step.

    Raises:
        NotFound: there is no such version.
    """
    folder = _folder(home, name)
    if version == PACKAGED:
        (folder / "current").unlink(missing_ok=True)
        return
    if not (folder / version / "card.json").is_file():
        raise NotFound(f"rail {name} has no version {version} in {folder}")
    written = folder / "current.new"
    written.write_text(version + "\n", encoding="utf-8")
    os.replace(written, folder / "current")


def roll_back(home: Path, name: str, to: str = "") -> dict[str, Any]:
    """Go back to a version, or to the one before the current one; before the first is the packaged adapter.

    Raises:
        InvalidInput: the packaged adapter is in force already.
        NotFound: there is no such version.
    """
    now = current_version(home, name)
    if not to:
        if now == PACKAGED:
            raise InvalidInput(f"rail {name} uses the packaged adapter already; there is nothing to go back to")
        earlier = [v for v in (f"v{n}" for n in range(int(now[1:]) - 1, 0, -1)) if (_folder(home, name) / v).is_dir()]
        to = earlier[0] if earlier else PACKAGED
    put_in_force(home, name, to)
    return {"rail": name, "was": now, "current": to}


def _folder(home: Path, name: str) -> Path:
    if not name.replace("_", "").isalnum():
        raise InvalidInput(f"{name!r} is no name of a rail")
    return home / "adapters" / name
