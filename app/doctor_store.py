"""Checks of the truth: the SQL store."""

from __future__ import annotations

from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.orm import aliased

from app.chain import verify_chain
from app.doctor import REPAIR, Check, Finding, Patient
from app.doctor_files import blobs, home, orphan_blobs
from app.restoring import restoring, unfinished_restores
from core.db.changes import touch_access
from core.db.generations import live_generation
from core.db.models import (
    ChunkRow,
    Document,
    DocumentAccess,
    DocumentVersion,
    EmbeddingRow,
    Generation,
    Membership,
    Purge,
)
from core.db.replay import complete_log, log_gaps

FLOAT_BYTES = 4
RESTORE = "bring the store back with: attest restore DIR"


def integrity(patient: Patient) -> Finding | None:
    """The database file holds together and no row points at nothing."""
    if patient.database.dialect != "sqlite":
        patient.notes["sql"] = "the database server keeps its own integrity"
        return None
    with patient.database.read() as session:
        lines = [str(row[0]) for row in session.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
        dangling = session.execute(text("PRAGMA foreign_key_check")).all()
    problems = lines + [f"{row[0]} row {row[1]} points at no {row[2]}" for row in dangling]
    return Finding(problems, RESTORE) if problems else None


def chunks(patient: Patient) -> Finding | None:
    """Every passage is the slice of its version's text that it says it is, and has its vector."""
    length = func.length(EmbeddingRow.vector) != Generation.dimension * FLOAT_BYTES
    slice_ = func.substr(DocumentVersion.text, ChunkRow.start + 1, ChunkRow.end - ChunkRow.start)
    bad = (
        select(ChunkRow.id, Document.id)
        .join(DocumentVersion, DocumentVersion.key == ChunkRow.version_key)
        .join(Document, Document.key == ChunkRow.document_key)
        .join(Generation, Generation.id == ChunkRow.generation_id)
        .outerjoin(EmbeddingRow, EmbeddingRow.chunk_id == ChunkRow.id)
    )
    with patient.database.read() as session:
        total = session.scalar(select(func.count()).select_from(ChunkRow))
        slices = session.execute(bad.where(slice_ != ChunkRow.text)).all()
        vectors = session.execute(bad.where(or_(EmbeddingRow.chunk_id.is_(None), length))).all()
    patient.notes["chunks"] = f"{total} passages"
    problems = [f"passage {chunk} is not in the text of document {document}" for chunk, document in slices]
    problems += [f"passage {chunk} of document {document} has no vector" for chunk, document in vectors]
    return Finding(problems, f"{RESTORE}; or purge and ingest those documents again") if problems else None


def change_log(patient: Patient) -> Finding | None:
    """Replaying the log gives exactly the passages that should be in the index."""
    with patient.database.read() as session:
        missing, undead = log_gaps(session)
    problems = [f"passage {chunk} was never added" for chunk, _ in missing]
    problems += [f"passage {chunk} was never removed" for chunk, _ in undead]

    def complete() -> None:
        with patient.database.write() as session:
            complete_log(session)

    return Finding(problems, REPAIR, complete) if problems else None


def generations(patient: Patient) -> Finding | None:
    """One generation is live, and every live document has passages in it."""
    with patient.database.read() as session:
        live = live_generation(session)
        if live is None:
            stray = session.scalar(select(func.count()).select_from(ChunkRow))
            return (
                Finding([f"{stray} passages and no live generation"], "run: attest reindex --force") if stray else None
            )
        building = session.scalars(select(Generation).where(Generation.state == "building")).all()
        without = session.scalars(
            select(Document.id)
            .join(DocumentVersion, DocumentVersion.document_key == Document.key)
            .where(Document.state == "live", DocumentVersion.superseded_at.is_(None), DocumentVersion.characters > 0)
            .where(~exists().where(ChunkRow.version_key == DocumentVersion.key, ChunkRow.generation_id == live.id))
        ).all()
    note = f"generation {live.id}: {live.embedder}, {live.dimension} dimensions"
    patient.notes["generations"] = note + "".join(f"; {one.embedder} is being built" for one in building)
    problems = [f"document {document} has no passages in the live generation" for document in without]
    return Finding(problems, "run: attest reindex") if problems else None


def embedder(patient: Patient) -> Finding | None:
    """The settings name the embedder that made the live generation."""
    with patient.database.read() as session:
        live = live_generation(session)
    named = patient.settings.embedder.model
    patient.notes["embedder"] = named
    if live is None or live.embedder == named:
        return None
    fix = f'name embedder.model = "{live.embedder}" in the settings, or run: attest reindex --embedder {named}'
    return Finding([f"the settings name {named}, the live generation was made by {live.embedder}"], fix)


def audit(patient: Patient) -> Finding | None:
    """The record of answers is whole: every row hangs on the one before it."""
    report = verify_chain(patient.database)
    patient.notes["audit"] = f"{report.rows} answers, chained"
    problems = [f"row {row['seq']}: {row['why']}" for row in report.broken]
    return (
        Finding(problems, "somebody changed the record: compare it with a backup's; see attest audit")
        if problems
        else None
    )


def permissions(patient: Patient) -> Finding | None:
    """No access entry is left over from a list that is not in force."""
    stray = (
        select(DocumentAccess.document_key, DocumentAccess.principal)
        .outerjoin(Document, Document.key == DocumentAccess.document_key)
        .where(or_(Document.key.is_(None), ~Document.own_access))
    )
    with patient.database.read() as session:
        rows = session.execute(stray).all()
        groups = session.scalar(select(func.count(func.distinct(Membership.group))))
    patient.notes["permissions"] = f"{groups} groups"

    def remove() -> None:
        with patient.database.write() as session:
            for key, principal in session.execute(stray).all():
                session.delete(session.get_one(DocumentAccess, (key, principal)))
            touch_access(session)

    problems = [f"{principal} on document {key}, which has no list of its own" for key, principal in rows]
    return Finding(problems, REPAIR, remove) if problems else None


def duplicates(patient: Patient) -> Finding | None:
    """Every duplicate's passages are stood for by a live document of the same text that is no duplicate itself."""
    first, own, other = aliased(Document), aliased(DocumentVersion), aliased(DocumentVersion)
    same = exists().where(
        own.document_key == Document.key,
        own.version == Document.version,
        other.document_key == first.key,
        other.text_sha256 == own.text_sha256,
        other.superseded_at.is_(None),
    )
    broken = (
        select(Document)
        .join(first, first.key == Document.duplicate_of)
        .where(Document.state == "live")
        .where(or_(first.state != "live", first.duplicate_of.is_not(None), ~same))
    )
    with patient.database.read() as session:
        problems = [f"document {row.id} hides behind one that does not stand for it" for row in session.scalars(broken)]

    def promote() -> None:
        with patient.database.write() as session:
            for row in session.scalars(broken).all():
                row.duplicate_of = None
            touch_access(session)
        if (finding := change_log(patient)) and finding.repair:
            finding.repair()

    return Finding(problems, REPAIR, promote) if problems else None


def leftovers(patient: Patient) -> Finding | None:
    """No restore that was killed left a copy of the store behind."""
    problems = [f"unfinished {path.name}" for path in unfinished_restores(patient.settings)]

    def remove() -> None:
        with restoring(patient.settings):
            pass

    return Finding(problems, f"{REPAIR}, once no restore is running", remove) if problems else None


def purges(patient: Patient) -> Finding | None:
    """No purge stopped half way."""
    from ingest.purge import finish_purges

    with patient.database.read() as session:
        open_ones = session.scalars(select(Purge.document_id).where(Purge.finished_at.is_(None))).all()
    problems = [f"the purge of document {document} did not finish" for document in open_ones]

    def finish() -> None:
        finish_purges(patient.database, patient.settings)

    return Finding(problems, REPAIR, finish) if problems else None


def runs(patient: Patient) -> Finding | None:
    """No ingest is recorded as running whose process was killed."""
    from ingest.runs import dead_runs, settle_runs

    with patient.database.read() as session:
        problems = [f"run {row.id} was killed" for row in dead_runs(session, patient.settings)]

    def settle() -> None:
        settle_runs(patient.database, patient.settings)

    return Finding(problems, REPAIR, settle) if problems else None


STORE_CHECKS: dict[str, Check] = {
    "home": home,
    "sql": integrity,
    "leftovers": leftovers,
    "purges": purges,
    "runs": runs,
    "blobs": blobs,
    "orphan_blobs": orphan_blobs,
    "chunks": chunks,
    "duplicates": duplicates,
    "change_log": change_log,
    "generations": generations,
    "embedder": embedder,
    "permissions": permissions,
    "audit": audit,
}
