"""Checks of the home as files: who may read it, and the originals in it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Exists, exists, func, select

from app.doctor import REPAIR, Finding, Patient
from core.blobs import CLOSED, NO_BLOB, STALE_S
from core.clock import now
from core.db.models import Document, DocumentVersion, Purge
from core.home import OTHERS, belongs_to, open_to_everybody


def home(patient: Patient) -> Finding | None:
    """Not every user of this machine may read the home; whether a group may is the operator's choice."""
    folder = patient.settings.home
    patient.notes["home"] = str(folder)
    if not open_to_everybody(folder):
        return None
    if folder.stat().st_uid != os.geteuid():  # a volume of a container, say: nobody else need be there
        patient.notes["home"] = f"{folder}: every user of this machine may enter it; {belongs_to(folder)}"
        return None

    def close() -> None:
        folder.chmod(folder.stat().st_mode & ~OTHERS)

    mode = folder.stat().st_mode & 0o777
    return Finding([f"every user of this machine may enter {folder} (mode {mode:o})"], REPAIR, close)


def blobs(patient: Patient) -> Finding | None:
    """Every original is there and is what its name says."""
    with patient.database.read() as session:
        rows = session.execute(
            select(DocumentVersion.blob_sha256, func.min(Document.source))
            .join(Document, Document.key == DocumentVersion.document_key)
            .where(~_being_purged(), DocumentVersion.blob_sha256 != NO_BLOB)
            .group_by(DocumentVersion.blob_sha256)
        ).all()
    found = [(sha, source, state) for sha, source in rows if (state := patient.blobs.state(sha)) != "whole"]
    patient.notes["blobs"] = f"{len(rows)} files, each equal to its sha256"
    if not found:
        return None
    closed = [row for row in found if row[2].startswith(CLOSED)]
    bad = [row for row in found if row not in closed]

    def restore_from_sources() -> None:
        for _, source, _ in bad:
            if Path(source).is_file():  # the file may have changed since: then it lands under another name
                patient.blobs.put(Path(source))

    problems = [f"{sha[:12]} ({source}) {_is(state)}" for sha, source, state in bad + closed]
    fixes = ["put the original files back where they were and run: attest doctor --repair; or: attest restore DIR"]
    fixes = fixes * bool(bad) + ["give the files of the home to the user who runs Attest"] * bool(closed)
    return Finding(problems, "; ".join(fixes), restore_from_sources if bad else None)


def _is(state: str) -> str:
    return state if state.startswith(CLOSED) else f"is {state}"


def orphan_blobs(patient: Patient) -> Finding | None:
    """No file lies about that no version names (a young one may belong to a running ingest)."""
    orphans = _orphans(patient)

    def remove() -> None:
        with patient.database.write():  # nobody can commit a row that names them meanwhile
            for name in _orphans(patient):
                patient.blobs.delete(name)
            for path in patient.blobs.unfinished():
                path.unlink(missing_ok=True)

    left = [f"unfinished {path.name}" for path in patient.blobs.unfinished()]
    problems = [f"{name[:12]} belongs to no document" for name in orphans] + left
    return Finding(problems, REPAIR, remove) if problems else None


def _being_purged() -> Exists:
    return exists().where(Purge.document_id == Document.id)


def _orphans(patient: Patient) -> list[str]:
    oldest = (now() - timedelta(seconds=STALE_S)).timestamp()
    with patient.database.read() as session:
        named = set(session.scalars(select(DocumentVersion.blob_sha256).distinct()))
    return [
        name
        for name in patient.blobs.names()
        if name not in named and patient.blobs.path(name).stat().st_mtime < oldest
    ]
