"""Documents held back at ingestion: the operator reads them, lets them in or throws them out."""

from __future__ import annotations

from fastapi import APIRouter

from app.auth import Operating, Parts
from core.types import Json
from ingest.quarantine import list_quarantine, reject_document, release_document

router = APIRouter(prefix="/v1/quarantine", tags=["documents"])


@router.get("")
def listed(operator: Operating, runtime: Parts) -> Json:
    """List the documents that wait for a review, each with its reason."""
    return {"documents": list_quarantine(runtime.database, operator)}


@router.post("/{document_id}/release")
def released(document_id: str, operator: Operating, runtime: Parts) -> Json:
    """Publish a document as it is."""
    return release_document(runtime.database, document_id, operator)


@router.post("/{document_id}/reject")
def rejected(document_id: str, operator: Operating, runtime: Parts) -> Json:
    """Remove for good what is held: the document, or only its update where an earlier version had got in."""
    return reject_document(runtime.database, runtime.settings, document_id, operator)
