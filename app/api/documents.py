"""Documents: upload, list, read, delete; each only as far as the caller may."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from pydantic import TypeAdapter

from app.api.description import BINARY, gives
from app.auth import Asking, Parts
from app.documents import readable_version
from app.page_image import PageImages, highlight_span
from app.replies import Deleted, Documents, DocumentShown, DocumentText, Queued
from app.runtime import Runtime
from app.schemas import MOST_INTEGER, Line, Name
from app.upload_request import upload_request
from app.uploads import Uploads
from core.blobs import BlobStore
from core.db.models import DocumentVersion
from core.errors import NotFound
from core.types import Json
from ingest.documents import delete_document, list_documents, show_document

router = APIRouter(prefix="/v1/documents", tags=["documents"])
PDF = "application/pdf"
TEXT = {"content": {"application/json": {"schema": TypeAdapter(DocumentText).json_schema()}}}
Version = Annotated[int | None, Query(ge=1, le=MOST_INTEGER, description="Default: the newest")]


@router.post("", status_code=202, responses=gives(Queued, 202, "Kept safe; to be ingested"))
def upload(
    principal: Asking,
    request: Request,
    file: Annotated[list[UploadFile], File(description="One or several files")],
    collection: Annotated[Line | None, Form()] = None,
    allow: Annotated[list[Name] | None, Form(description="Who may read them; default: the collection's list")] = None,
    supersedes: Annotated[Line | None, Form(description="The document they replace")] = None,
) -> JSONResponse:
    """Take files in; they are kept safe before this returns, and `GET /v1/runs/{id}` says how they fare."""
    uploads: Uploads = request.app.state.uploads
    wanted = upload_request(principal, collection, allow, [one.filename or "" for one in file], supersedes=supersedes)
    run_id = uploads.accept(wanted, [one.file for one in file])
    return JSONResponse({"run_id": run_id, "state": "queued"}, 202, {"Location": f"/v1/runs/{run_id}"})


@router.get("", responses=gives(Documents))
def listed(
    principal: Asking,
    runtime: Parts,
    collection: str | None = None,
    limit: Annotated[int | None, Query(ge=1, le=MOST_INTEGER, description="Default: all")] = None,
    offset: Annotated[int, Query(ge=0, le=MOST_INTEGER)] = 0,
) -> Json:
    """List the documents the caller may read, by collection and source."""
    found = list_documents(runtime.database, principal, collection=collection)
    return {"documents": found[offset : None if limit is None else offset + limit], "total": len(found)}


@router.get("/{document_id}", responses=gives(DocumentShown))
def shown(document_id: str, principal: Asking, runtime: Parts) -> Json:
    """Return what is known of a document, its versions included."""
    return show_document(runtime.database, document_id, principal)


@router.delete("/{document_id}", responses=gives(Deleted))
def deleted(document_id: str, principal: Asking, runtime: Parts) -> Json:
    """Delete a document: no answer, search or list shows it from now on, in any process."""
    return delete_document(runtime.database, document_id, principal)


@router.get("/{document_id}/text", response_class=PlainTextResponse, responses={200: TEXT})
def text(document_id: str, principal: Asking, runtime: Parts, request: Request, version: Version = None) -> Response:
    """Return the cleaned text, whose characters citations count; JSON where `Accept` asks for it."""
    found = readable_version(runtime.database, principal, document_id, version)
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"id": document_id, "version": found.version, "text": found.text, "pages": found.pages})
    return PlainTextResponse(found.text)


@router.get("/{document_id}/file", response_class=Response, responses={200: {"content": {"*/*": BINARY}}})
def original(document_id: str, principal: Asking, runtime: Parts, version: Version = None) -> Response:
    """Return the original file, always as a download: it may hold scripts."""
    found = readable_version(runtime.database, principal, document_id, version)
    path = _kept(runtime, found)
    name = quote(found.document.source.rsplit("/", 1)[-1])
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "ETag": f'"{found.blob_sha256}"'}
    return FileResponse(path, media_type=found.media_type, headers=headers)


@router.get(
    "/{document_id}/pages/{page}.png", response_class=Response, responses={200: {"content": {"image/png": BINARY}}}
)
def page_image(
    document_id: str,
    page: int,
    principal: Asking,
    runtime: Parts,
    request: Request,
    version: Version = None,
    highlight: Annotated[str | None, Query(description="START-END in characters of the text")] = None,
) -> Response:
    """Return a page of a PDF as a picture, the given characters highlighted."""
    from generation.cite import boxes_for

    found = readable_version(runtime.database, principal, document_id, version)
    if found.media_type != PDF:
        raise NotFound("only the pages of a PDF are pictures")
    boxes = boxes_for(found.layout, *highlight_span(highlight)) if highlight else ()
    images: PageImages = request.app.state.pages
    picture = images.draw(found.blob_sha256, _kept(runtime, found), page, boxes)
    return Response(picture, media_type="image/png")


def _kept(runtime: Runtime, version: DocumentVersion) -> Path:
    """Return where the original file of a version lies."""
    blobs = BlobStore(runtime.settings.blobs)
    if not blobs.exists(version.blob_sha256):
        raise NotFound(f"the original file of document {version.document.id} is not kept")
    return blobs.path(version.blob_sha256)
