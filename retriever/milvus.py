"""Vectors in Milvus, for corpora beyond one machine's memory: a collection that follows the change log like any index.

Every process keeps ids, versions and the word index; the vectors lie in Milvus, once for all of them. Whoever replays
the log first writes the collection, under a lock, up to an entry noted beside it; writing twice changes nothing. The
permitted versions go into the search as a filter expression, what comes back is held against this process's own rows,
and every hit is authorised again in SQL like any other. A `reset` makes a new collection and drops the old.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.db.models import ChunkRow, Generation
from core.db.session import Database
from core.errors import IndexMissing, MissingExtra
from core.logging import without_credentials
from core.settings import Settings
from retriever.log import final_ops, slices, stored_vectors

logger = logging.getLogger(__name__)
WRITER_LOCK = 0x6D696C767573  # "milvus": the PostgreSQL advisory lock of whoever writes a collection
PROGRESS = "progress"
HNSW = {"M": 32, "efConstruction": 200}


@lru_cache(maxsize=4)
def _client(uri: str, token: str) -> Any:
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ModuleNotFoundError as error:
        raise MissingExtra("milvus", error.name or "pymilvus") from error
    try:
        return MilvusClient(uri=uri, token=token)
    except MilvusException as error:
        alone = " (Milvus Lite's file serves one process at a time)" if uri.endswith(".db") else ""
        said = f"Milvus cannot be reached at {uri}{alone}: {error.message}"
        raise IndexMissing(without_credentials(said)) from error


def client_of(settings: Settings) -> Any:
    """Return the connection to Milvus; without an address it is Milvus Lite, in a file of the home.

    Raises:
        MissingExtra: pymilvus is not installed.
        IndexMissing: Milvus cannot be reached.
    """
    token = settings.milvus.token
    return _client(
        settings.milvus.uri or str(settings.home / "milvus.db"), token.get_secret_value() if token is not None else ""
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what Milvus says into an error of ours."""
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        raise IndexMissing(without_credentials(f"{what}: {error.message}")) from error


def collection_name(settings: Settings, generation: Generation, reset: int) -> str:
    """Name the collection of a generation since a reset, so that no two stores and no two histories share one."""
    made = f"{generation.id} {generation.created_at.isoformat()} {generation.embedder} {generation.revision}"
    return f"{settings.milvus.prefix}_{hashlib.sha256(made.encode()).hexdigest()[:16]}_r{reset}"


def complete_until(settings: Settings, name: str) -> int:
    """Return the entry of the log up to which a collection is complete, 0 where there is none.

    Raises:
        IndexMissing: Milvus cannot be reached, or refused.
    """
    client, progress = client_of(settings), f"{settings.milvus.prefix}_{PROGRESS}"
    with translated("Milvus did not say how far it is"):
        if not _ready(client, name) or not _ready(client, progress):
            return 0
        rows = client.query(progress, filter=f'chunk == "{name}"', output_fields=["version"])
        return int(rows[0]["version"]) if rows else 0


def count_rows(settings: Settings, name: str) -> int:
    """Return how many passages a collection holds.

    Raises:
        IndexMissing: Milvus cannot be reached, or refused.
    """
    client = client_of(settings)
    with translated("Milvus did not count"):
        if not _ready(client, name):
            return 0
        return int(client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"])


class MilvusCollection:
    """The collection of one store, and the entry of the log up to which it is complete."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._complete: tuple[str, int] = ("", -1)

    def catch_up(self, session: Session, generation: Generation, reset: int, until: int) -> None:
        """Bring the collection of a generation to an entry of the log, making it where there is none.

        Raises:
            IndexMissing: Milvus cannot be reached, or refused.
        """
        name = collection_name(self._settings, generation, reset)
        client = client_of(self._settings)
        with translated("Milvus did not say what it has"):
            if self._complete[0] == name and self._complete[1] >= until and client.has_collection(name):
                return
        with self._writing(), translated("Milvus did not take the changes"):
            after = self._open(client, name, generation.dimension)
            if after < until:
                final = final_ops(session, generation.id, after, until)
                self._write(client, session, name, final)
                self._note(client, name, until)
            self._drop_others(client, name)
        self._complete = (name, max(after, until))

    def _write(self, client: Any, session: Session, name: str, final: dict[int, str]) -> None:
        for ids in slices([chunk_id for chunk_id, op in final.items() if op == "remove"]):
            client.delete(name, ids=list(ids))
        for ids in slices([chunk_id for chunk_id, op in final.items() if op == "add"]):
            versions = _versions(session, ids)
            vectors = stored_vectors(session, ids)
            rows = [
                {"chunk": chunk_id, "version": versions[chunk_id], "vector": np.frombuffer(vector, "<f4").tolist()}
                for chunk_id, vector in vectors.items()
            ]
            if rows:
                client.upsert(name, rows)

    def _open(self, client: Any, name: str, dimension: int) -> int:
        """Return the entry up to which a collection is complete, making it where there is none.

        One that was half filled is filled again from the start: what is there already is written over.
        """
        progress = f"{self._settings.milvus.prefix}_{PROGRESS}"
        if not _ready(client, progress):
            _create(client, progress, 2, "FLAT", key="VARCHAR")
        if not _ready(client, name):
            _create(client, name, dimension, self._settings.milvus.kind)
            client.delete(progress, ids=[name])
        return complete_until(self._settings, name)

    def _note(self, client: Any, name: str, seq: int) -> None:
        progress = f"{self._settings.milvus.prefix}_{PROGRESS}"
        client.upsert(progress, [{"chunk": name, "version": seq, "vector": [1.0, 0.0]}])

    def _drop_others(self, client: Any, name: str) -> None:
        """Drop what earlier resets left of this generation."""
        stem = name.rpartition("_r")[0]
        for other in client.list_collections():
            if other.startswith(f"{stem}_r") and other != name:
                client.drop_collection(other)
                client.delete(f"{self._settings.milvus.prefix}_{PROGRESS}", ids=[other])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the place of the one process that writes; the others wait and find the work done."""
        if self._database.dialect == "postgresql":
            with self._database.engine.connect() as plain:
                connection = plain.execution_options(isolation_level="AUTOCOMMIT")
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": WRITER_LOCK})
                try:
                    yield
                finally:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": WRITER_LOCK})
            return
        self._settings.indexes.mkdir(parents=True, exist_ok=True)
        with (self._settings.indexes / "milvus.lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def drop_collections(settings: Settings, generations: Sequence[Generation], *, keep_from: int) -> int:
    """Drop the collections made before an entry of the log, and those of generations that are gone.

    Returns:
        How many are left.

    Raises:
        IndexMissing: Milvus cannot be reached, or refused.
    """
    client, stems = client_of(settings), {collection_name(settings, one, 0).rpartition("_r")[0] for one in generations}
    ours = re.compile(rf"({settings.milvus.prefix}_[0-9a-f]{{16}})_r(\d+)")

    def old() -> list[str]:
        named = [found for name in client.list_collections() if (found := ours.fullmatch(name))]
        return [found[0] for found in named if found[1] not in stems or int(found[2]) < keep_from]

    with translated("Milvus did not drop a collection"):
        for name in old():
            client.drop_collection(name)
        return len(old())


def _ready(client: Any, name: str) -> bool:
    """Say whether a collection is there, and have Milvus load it, as it must after a restart."""
    if not client.has_collection(name):
        return False
    client.load_collection(name)
    return True


def _versions(session: Session, ids: Sequence[int]) -> dict[int, int]:
    query = select(ChunkRow.id, ChunkRow.version_key).where(ChunkRow.id.in_(ids))
    return dict(session.execute(query).tuples().all())


def _create(client: Any, name: str, dimension: int, kind: str, *, key: str = "INT64") -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    length = {"max_length": 200} if key == "VARCHAR" else {}
    schema.add_field("chunk", getattr(DataType, key), is_primary=True, **length)
    schema.add_field("version", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    index = client.prepare_index_params()
    index.add_index("vector", index_type=kind, metric_type="IP", params=HNSW if kind == "HNSW" else {})
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
