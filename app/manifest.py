"""The manifest of a backup: which store and files belong to it, written last of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.home_files import is_home_file
from core.blobs import NAME, write_durably
from core.clock import now
from core.db.schema import HEAD
from core.errors import InvalidInput

FORMAT = 1
MANIFEST = "manifest.json"
FIELDS = {"format": int, "store": str, "documents": int, "blobs": list}


def write_manifest(target: Path, store: str, documents: int, blobs: list[str], home: dict[str, str]) -> None:
    """Make what lies in a folder the backup that is restored from it."""
    manifest = {
        "format": FORMAT,
        "schema": HEAD,
        "created_at": now().isoformat(),
        "store": store,
        "documents": documents,
        "blobs": blobs,
        "home": home,
    }
    write_durably(target / MANIFEST, json.dumps(manifest, indent=1).encode())


def read_manifest(source: Path) -> dict[str, Any]:
    """Return what belongs to the backup in a folder; `home` is empty where an older program made it.

    Raises:
        InvalidInput: it holds none, or one of another format.
    """
    try:
        manifest: Any = json.loads((source / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise InvalidInput(f"{source} holds no backup: there is no {MANIFEST} in it") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{source} holds no backup: {MANIFEST} cannot be read ({error})") from error
    if isinstance(manifest, dict) and manifest.get("format", FORMAT) != FORMAT:
        raise InvalidInput(f"{source} is a backup of format {manifest['format']}; this program reads {FORMAT}")
    if not _is_whole(manifest):
        raise InvalidInput(f"{source} holds no whole backup: {MANIFEST} does not name its store and files")
    return {"home": {}, **manifest}


def _is_whole(manifest: Any) -> bool:
    if not isinstance(manifest, dict):
        return False
    whole = all(isinstance(manifest.get(name), kind) for name, kind in FIELDS.items())
    home = manifest.get("home", {})
    if not whole or not isinstance(home, dict) or not all(is_home_file(name) for name in home):
        return False
    return all(isinstance(name, str) and NAME.fullmatch(name) for name in [*manifest["blobs"], *home.values()])
