"""Checks of what follows the truth: snapshots, and an index opened from them against SQL."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.doctor import REPAIR, Check, Finding, Patient
from core.blobs import STALE_S
from core.db.changes import last_reset, last_seq
from core.db.generations import live_generation
from core.db.models import Change, Generation
from core.db.replay import listed_chunks, vectors_of
from retriever.snapshot import IndexIdentity, Snapshot, load_newest, vectors_kind
from retriever.workplace import Workplace

TOLERANCE = 1e-6


def snapshots(patient: Patient) -> Finding | None:
    """Every snapshot is whole, of a generation that exists, and says of each passage what SQL says."""
    root = patient.settings.indexes
    problems: list[str] = []
    bad: list[Path] = _abandoned(root)
    problems += [f"{path.parent.name}/{path.name} was never finished" for path in bad]
    count = 0
    with closing(Workplace(root)) as place, patient.database.read() as session:
        known = {f"g{row.id}": row for row in session.scalars(select(Generation))}
        for folder in sorted(root.glob("g*")):
            for path in sorted(folder.glob("v*")):
                count += 1
                problem = _problem(session, known.get(folder.name), path, place.fresh())
                if problem is not None:
                    bad.append(path)
                    problems.append(f"{folder.name}/{path.name}: {problem}")
    patient.notes["snapshots"] = f"{count} snapshots" if count else "none yet: indexes are built from SQL"

    def remove() -> None:
        for path in bad:
            shutil.rmtree(path, ignore_errors=True)

    return Finding(problems, f"{REPAIR} (they are built again from SQL)", remove) if problems else None


def _problem(session: Session, generation: Generation | None, path: Path, place: Path) -> str | None:
    if generation is None:
        return "its generation is gone"
    made_with = (generation.id, generation.embedder, generation.revision, generation.dimension)
    identity = IndexIdentity(*made_with, vectors=vectors_kind(path))
    seq = int(path.name[1:]) if path.name[1:].isdigit() else -1
    if not last_reset(session) <= seq <= last_seq(session):
        return "it is of another history of the store"
    snapshot = load_newest(path.parent, identity, place, range(seq, seq + 1))
    if snapshot is None:
        return "it is damaged, or made by another program"
    return _difference(session, generation, snapshot)


def _difference(session: Session, generation: Generation, snapshot: Snapshot) -> str | None:
    """Compare a snapshot with the log replayed to its seq, and its vectors with SQL's."""
    listed = set(listed_chunks(session, generation.id, snapshot.seq))
    there = {int(chunk_id): row for row, chunk_id in enumerate(snapshot.ids)}
    if set(there) != listed:
        return f"{len(set(there) ^ listed)} passages differ from the log"
    for chunk_id, version, vector in vectors_of(session, generation.id):
        row = there.get(chunk_id)
        if row is None:
            continue
        stored = np.frombuffer(vector, dtype="<f4")
        here = snapshot.vectors[row] if snapshot.vectors.shape[1] else stored
        if snapshot.versions[row] != version or not np.allclose(here, stored, atol=TOLERANCE):
            return f"passage {chunk_id} differs from SQL"
    return None


def _abandoned(root: Path) -> list[Path]:
    return [path for path in sorted(root.glob("g*/.*")) if time.time() - path.stat().st_mtime > STALE_S]


def followable(patient: Patient) -> Finding | None:
    """The live generation's log can be replayed: every entry names a passage or one that was removed later."""
    with patient.database.read() as session:
        live = live_generation(session)
        if live is None:
            return None
        stray = session.scalar(
            select(Change.seq).where(Change.op.not_in(("add", "remove", "access", "reset"))).limit(1)
        )
        vectors = [chunk for chunk, _, vector in vectors_of(session, live.id) if not _unit(vector)]
    problems = [f"log entry {stray} says nothing a follower knows"] if stray else []
    problems += [f"the vector of passage {chunk} is not of unit length" for chunk in vectors]
    return Finding(problems, "run: attest reindex --force") if problems else None


def _unit(vector: bytes) -> bool:
    length = float(np.linalg.norm(np.frombuffer(vector, dtype="<f4")))
    return bool(np.isfinite(length)) and abs(length - 1.0) < 1e-3


def collection(patient: Patient) -> Finding | None:
    """Where vectors lie in Milvus: the collection holds as many passages as the log has put into it."""
    if patient.settings.retrieval.index != "milvus":
        return None
    from retriever.milvus import collection_name, complete_until, count_rows, drop_collections

    with patient.database.read() as session:
        live, reset = live_generation(session), last_reset(session)
        if live is None:
            return None
        name = collection_name(patient.settings, live, reset)
        seq = complete_until(patient.settings, name)
        expected = sum(1 for _ in listed_chunks(session, live.id, seq))
        there = session.scalars(select(Generation)).all()
        beyond = last_seq(session) + 1
    if seq == 0:
        patient.notes["collection"] = "none yet: it is filled from SQL"
        return None
    found = count_rows(patient.settings, name)
    patient.notes["collection"] = f"{name}: {found} passages at entry {seq}"

    def drop() -> None:
        drop_collections(patient.settings, there, keep_from=beyond)

    problem = f"{name} holds {found} passages at entry {seq}, the log says {expected}"
    return Finding([problem], f"{REPAIR} (it is filled again from SQL)", drop) if found != expected else None


INDEX_CHECKS: dict[str, Check] = {"snapshots": snapshots, "vectors": followable, "collection": collection}
