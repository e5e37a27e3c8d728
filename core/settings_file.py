"""Changing settings in `attest.toml`, leaving everything else in it as it is."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.blobs import write_durably
from core.errors import InvalidInput
from core.settings import Settings, variable_of

HEADER = re.compile(r"^\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
Chosen = Mapping[str, Mapping[str, Any]]
"""Values by section and key; `None` takes a key out of the file."""


@dataclass(frozen=True, slots=True)
class SettingsEdit:
    """A settings file with other values, checked and not yet written."""

    path: Path
    text: str
    overridden: tuple[str, ...]
    """Variables of the environment that lie over what is written."""

    def write(self) -> Path:
        """Write the file and return it."""
        write_durably(self.path, self.text.encode())
        return self.path


def edit_settings(settings: Settings, chosen: Chosen) -> SettingsEdit:
    """Return the settings file with values changed.

    Raises:
        InvalidInput: the file holds a key in a form this does not understand.
    """
    path = Path(os.environ.get("ATTEST_CONFIG") or settings.home / "attest.toml")
    before = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
    lines = before.splitlines()
    for section, values in chosen.items():
        lines = _with_section(lines, section, values)
    text = "\n".join(lines).strip() + "\n"
    if _read(text) != _merged(_read(before), chosen):
        raise InvalidInput(f"write by hand into {path}: {json.dumps(chosen, ensure_ascii=False)}")
    return SettingsEdit(path, text, tuple(_overridden(settings, chosen)))


def write_settings(settings: Settings, chosen: Chosen) -> Path:
    """Change values in the settings file and return it.

    Raises:
        InvalidInput: the file holds a key in a form this does not understand.
    """
    return edit_settings(settings, chosen).write()


def _overridden(settings: Settings, chosen: Chosen) -> Iterator[str]:
    """Yield the variables of the environment that say something else."""
    for section, values in chosen.items():
        for key, value in values.items():
            if variable_of(section, key) in os.environ and getattr(getattr(settings, section), key) != value:
                yield variable_of(section, key)


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _merged(before: dict[str, Any] | None, chosen: Chosen) -> dict[str, Any]:
    """Return what the file is to hold: what it held, and the values over it."""
    held = dict(before or {})
    for section, values in chosen.items():
        there = held.get(section)
        changed = (there if isinstance(there, dict) else {}) | dict(values)
        held[section] = {key: value for key, value in changed.items() if value is not None}
    return held


def _with_section(lines: list[str], section: str, values: Mapping[str, Any]) -> list[str]:
    wanted = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value is not None]
    at = next((number for number, line in enumerate(lines) if _names(line, section)), None)
    if at is None:
        return [*lines, "", f"[{section}]", *wanted]
    end = next((number for number in range(at + 1, len(lines)) if HEADER.match(lines[number])), len(lines))
    pattern = re.compile(rf"\s*(?:{'|'.join(map(re.escape, values))})\s*=")
    kept = [line for line in lines[at + 1 : end] if not pattern.match(line)]
    return [*lines[: at + 1], *wanted, *kept, *lines[end:]]


def _names(line: str, section: str) -> bool:
    found = HEADER.match(line)
    return found is not None and found[1].strip() == section
