"""Writing chosen settings into `attest.toml`, leaving everything else in it as it is."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.blobs import write_durably
from core.errors import InvalidInput
from core.settings import Settings

HEADER = re.compile(r"^\s*\[([^\[\]]+)\]\s*(?:#.*)?$")


def write_settings(settings: Settings, chosen: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write values by section and key into the settings file and return it.

    Raises:
        InvalidInput: the file holds a key in a form this does not understand.
    """
    path = Path(os.environ.get("ATTEST_CONFIG") or settings.home / "attest.toml")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for section, values in chosen.items():
        lines = _with_section(lines, section, values)
    text = "\n".join(lines).strip() + "\n"
    if not _holds(text, chosen):
        raise InvalidInput(f"write by hand into {path}: {json.dumps(chosen)}")
    write_durably(path, text.encode())
    return path


def _holds(text: str, chosen: Mapping[str, Mapping[str, Any]]) -> bool:
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return all(written[section][key] == value for section, keys in chosen.items() for key, value in keys.items())


def _with_section(lines: list[str], section: str, values: Mapping[str, Any]) -> list[str]:
    wanted = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
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
