"""What is to become of uploaded files: whose they are, where they go, and how ingestion is told so."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from core.db.grants import require_collection_name, require_principal
from core.errors import InvalidInput
from core.types import Principal

if TYPE_CHECKING:
    from ingest.report import IngestOptions
    from ingest.walk import Source

NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What is to become of uploaded files."""

    principal: str
    operator: bool
    collection: str
    allow: tuple[str, ...] | None
    files: tuple[str, ...]
    effective_from: str | None = None
    expires_at: str | None = None
    supersedes: str | None = None


def upload_request(
    principal: Principal, collection: str | None, allow: Sequence[str] | None, names: Sequence[str], **more: Any
) -> UploadRequest:
    """Return what is to become of a principal's files.

    The operator chooses collection and readers. Everybody else's files go to a collection of their own, readable
    by themselves: a file of the same name must never replace, nor a duplicate reveal, what they may not read.

    Raises:
        InvalidInput: a collection or a reader that is not theirs to choose, or a name that no collection can have, or a
            file without a name or with the name of another.
    """
    if not principal.operator:
        if collection not in (None, principal.name):
            raise InvalidInput(f"your files go to the collection {principal.name}")
        if not set(allow or ()) <= principal.groups | {principal.name}:
            raise InvalidInput("you may share with yourself and your groups only")
        collection, allow = principal.name, sorted({principal.name, *(allow or ())})
    files = tuple(map(_file_name, names))
    if twice := [name for name, count in Counter(files).items() if count > 1]:
        raise InvalidInput(f"several files are named {twice[0]}, and each would replace the one before: rename them")
    return UploadRequest(
        principal=principal.name,
        operator=principal.operator,
        collection=require_collection_name(collection or "default"),
        allow=tuple(map(require_principal, allow)) if allow else None,
        files=files,
        **more,
    )


def _file_name(given: str) -> str:
    """Return the last part of a name, without control characters.

    Raises:
        InvalidInput: nothing is left of it.
    """
    last = unicodedata.normalize("NFC", given.replace("\\", "/").rsplit("/", 1)[-1])
    name = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()[-NAME_CHARACTERS:]
    if not name.strip("."):
        raise InvalidInput("a file has no name")
    return name


def read_request(file: IO[bytes]) -> UploadRequest:
    """Return a request as it was kept."""
    values = json.load(file)
    allow = None if values["allow"] is None else tuple(values["allow"])
    return UploadRequest(**{**values, "allow": allow, "files": tuple(values["files"])})


def ingest_options(request: UploadRequest, run_id: str) -> IngestOptions:
    """Return how its files are to be ingested."""
    from ingest.report import IngestOptions

    return IngestOptions(
        collection=request.collection,
        allow=request.allow,
        principal=request.principal,
        effective_from=_moment(request.effective_from),
        expires_at=_moment(request.expires_at),
        supersedes=request.supersedes,
        run_id=run_id,
        retry=True,  # what failed under its name before was another file
    )


def sources_of(request: UploadRequest, folder: Path) -> list[Source]:
    """Return its files, which lie numbered in a folder, under the names the knowledge base gives them."""
    from ingest.walk import Source

    owner = "" if request.operator else f"{request.principal}/"
    return [Source(f"uploads/{owner}{name}", folder / str(number), name) for number, name in enumerate(request.files)]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
