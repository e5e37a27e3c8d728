"""A finished run becomes a task of a home, where the embedded generator and the export find it by name."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from generation.tasks import NONE, TASK_FILE

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


def best_of(folder: Path) -> Path:
    """Return where a run keeps its best; a folder without one is a task as a home or the package holds it."""
    return folder / "best" if (folder / "best").is_dir() else folder


def check_name(name: str) -> None:
    """Raise `InvalidInput` where this is no name of a task."""
    if not _NAME.fullmatch(name) or name in (NONE, "auto"):
        raise InvalidInput(f"{name!r} is no name of a task: letters, digits, - and _, and neither none nor auto")


def keep_task(home: Path, name: str, run: Path, model: str, figures: dict[str, Any]) -> Path:
    """Copy the best of a run to `tasks/<name>` with what it is for; a task of that name is replaced whole.

    Raises:
        InvalidInput: the name or the run is none.
    """
    check_name(name)
    best = run / "best"
    if not (best / TASK_FILE).is_file():
        raise InvalidInput(f"{run} holds no finished run")
    place, fresh = home / "tasks" / name, home / "tasks" / f".{name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(best, fresh)
    card = json.loads((fresh / TASK_FILE).read_text(encoding="utf-8"))
    (fresh / TASK_FILE).write_text(json.dumps(card | {"model": model, **figures}, indent=1), encoding="utf-8")
    (fresh / "README.md").unlink(missing_ok=True)
    config = fresh / "adapter_config.json"
    if config.is_file():
        named = json.loads(config.read_text(encoding="utf-8")) | {"base_model_name_or_path": model}
        config.write_text(json.dumps(named, indent=1), encoding="utf-8")
    shutil.rmtree(place, ignore_errors=True)
    fresh.replace(place)
    return place
