"""Rails over the packaged classifier; loaded once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.settings import RailSettings, Settings
from core.types import Chunk, Evidence, ScoredChunk, Scores
from guardrails.rails import Rails
from models.adapters import Classifier, load_classifier


@pytest.fixture(scope="session")
def classifier(tmp_path_factory) -> Classifier:
    home = tmp_path_factory.mktemp("rails-home")
    return load_classifier(Settings(home=home).embedder, home)


@pytest.fixture
def open_rails(tmp_path: Path, classifier: Classifier):
    def make(**rails) -> Rails:
        return Rails.open(Settings(home=tmp_path, rails=RailSettings(**rails)), classifier)

    return make


def hit(text: str, chunk_id: int = 1, source: str = "handbook/leave.md") -> ScoredChunk:
    chunk = Chunk(chunk_id, "d" * 32, 1, 0, 100, 100 + len(text), None, "", text)
    return ScoredChunk(chunk, "Leave", source, "default", 0.9, Scores(), datetime(2026, 1, 1, tzinfo=UTC))


def evidence(*texts: str, source: str = "handbook/leave.md") -> tuple[Evidence, ...]:
    return tuple(Evidence(i, hit(text, i, source)) for i, text in enumerate(texts, start=1))
