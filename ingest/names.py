"""Names of what is no document: what programs, editors and browsers keep beside the files, in folders and archives."""

from __future__ import annotations

from pathlib import PurePosixPath

_KEPT_BY_PROGRAMS = {"thumbs.db", "desktop.ini", ".ds_store", "__macosx", "node_modules", "__pycache__"}
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")
_SWAPPED = ("~", ".swp", ".swx")
"""How the names end of what browsers and editors keep beside a file while they write it."""


def why_no_document(name: str) -> str | None:
    """Return why what has such a name, of a file or folder, is no document; `None` where it may be one."""
    lower = name.lower()
    if lower in _KEPT_BY_PROGRAMS or lower.startswith("._"):
        return "kept by a program for itself"
    if lower.startswith("~$"):
        return "the lock of an open Office file"
    if lower.endswith(_SWAPPED) or (lower.startswith("#") and lower.endswith("#")):
        return "an editor's backup"
    if lower.startswith("."):
        return "hidden"
    return "unfinished, by its name" if lower.endswith(_UNFINISHED) else None


def why_no_member(path: str) -> str | None:
    """Return why the member of an archive is no document: by its own name or that of a folder it lies in."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    reasons = (why_no_document(part) for part in parts if part not in (".", "..", "/"))
    return next((reason for reason in reasons if reason is not None), None)
