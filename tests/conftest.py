"""What the whole suite shares: quiet models, and one small knowledge base ingested once a session."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.db.session import Database
from core.settings import Settings, load_settings
from core.types import OPERATOR
from tests.environment import settle
from tests.pages import ALLOW, write_pages

settle()  # before any test imports torch


@dataclass(frozen=True)
class KnowledgeBase:
    """A home with a few documents in it; ids by file name."""

    settings: Settings
    ids: dict[str, str]

    @property
    def home(self) -> Path:
        return self.settings.home


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep every test away from the home of whoever runs the suite."""
    monkeypatch.setenv("ATTEST_HOME", str(tmp_path / "attest-home"))


@pytest.fixture(scope="session")
def knowledge_base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    """The pages of `tests.pages`, ingested through the real pipeline; read it, never write it: copy it."""
    from ingest.documents import list_documents
    from ingest.run import IngestOptions, ingest
    from models.encoder import load_encoder

    root = tmp_path_factory.mktemp("knowledge")
    settings = load_settings(root / "home")
    settings = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"workers": 1})})
    pages = write_pages(root / "docs")
    database = Database.open(settings)
    try:
        for allow in {ALLOW.get(name, ("public",)) for name in pages}:
            same = [path for name, path in sorted(pages.items()) if ALLOW.get(name, ("public",)) == allow]
            report = ingest(
                same,
                IngestOptions(allow=allow),
                database=database,
                settings=settings,
                encoder=lambda: load_encoder(settings.embedder),
            )
            assert not report.failed, report.failed
        listed = list_documents(database, OPERATOR)
    finally:
        database.close()
    return KnowledgeBase(settings, {Path(row["source"]).name: row["id"] for row in listed})


@pytest.fixture
def own_knowledge_base(knowledge_base: KnowledgeBase, tmp_path: Path) -> KnowledgeBase:
    """A copy of the knowledge base that a test may change."""
    home = tmp_path / "copied-home"
    shutil.copytree(knowledge_base.home, home)
    return KnowledgeBase(knowledge_base.settings.model_copy(update={"home": home}), knowledge_base.ids)
