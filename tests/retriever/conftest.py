from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.db.session import Database
from core.settings import EmbedderSettings, Settings, load_settings
from models.encoder import Encoder, load_encoder
from retriever.retriever import Retriever
from tests.retriever.library import Library


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home")


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder(EmbedderSettings(device="cpu"))


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings)
    yield database
    database.close()


@pytest.fixture
def library(database: Database, encoder: Encoder) -> Library:
    return Library(database, encoder)


@pytest.fixture
def open_retriever(database: Database, settings: Settings, encoder: Encoder) -> Iterator[Callable[..., Retriever]]:
    """Open retrievers that do not follow by themselves unless told to, and close them."""
    opened: list[Retriever] = []

    def open_one(*, follow: bool = False, **changes: object) -> Retriever:
        chosen = settings.model_copy(update={"retrieval": settings.retrieval.model_copy(update=changes)})
        opened.append(Retriever.open(database, chosen, encoder, follow=follow))
        return opened[-1]

    yield open_one
    for retriever in opened:
        retriever.close()
