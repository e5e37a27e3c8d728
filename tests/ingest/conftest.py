"""A store of its own and the real encoder for every test of ingestion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.db.session import Database
from core.settings import Settings, load_settings
from ingest.parse import parse_file
from ingest.parsed import ParsedDocument
from ingest.report import IngestOptions, IngestReport
from ingest.run import ingest
from ingest.sandbox import ParserPool
from models.encoder import Encoder, load_encoder

Run = Callable[..., IngestReport]
Read = Callable[..., ParsedDocument]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings)
    yield database
    database.close()


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder(load_settings(Path("/nonexistent")).embedder)


@pytest.fixture(scope="session")
def pool() -> Iterator[ParserPool]:
    with ParserPool(load_settings(Path("/nonexistent")).ingest, workers=1) as pool:
        yield pool


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.fixture
def run(settings: Settings, database: Database, encoder: Encoder, docs: Path) -> Run:
    """Ingest the folder `docs` (or other paths) with options by name."""

    def run(*paths: Path, **options: Any) -> IngestReport:
        chosen = {"workers": 1, **options}
        return ingest(paths or [docs], IngestOptions(**chosen), database=database, settings=settings, encoder=encoder)

    return run


@pytest.fixture
def read(pool: ParserPool, tmp_path: Path) -> Read:
    """Parse content under a name, in the sandbox."""

    def read(name: str, content: bytes | str, password: str | None = None) -> ParsedDocument:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return parse_file(path, load_settings(Path("/nonexistent")), password, pool=pool)

    return read
