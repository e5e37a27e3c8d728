import numpy as np
import pytest

from core.settings import EmbedderSettings
from evals.embedding_cache import CachedEncoder, cache_folder
from models.encoder import load_encoder


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(EmbedderSettings())


def test_vectors_come_back_as_they_went_in_and_only_new_texts_are_embedded(encoder, tmp_path, monkeypatch):
    cached = CachedEncoder(encoder, tmp_path)
    first = cached.encode(["rain falls", "the sun shines", "rain falls"], "document")
    assert np.array_equal(first[0], first[2])
    asked = []

    def remember(_self, texts, *_rest):
        asked.extend(texts)
        return np.ones((len(texts), 384), np.float32)

    monkeypatch.setattr(type(encoder), "encode", remember)
    again = CachedEncoder(encoder, tmp_path).encode(["the sun shines", "snow lies"], "document")
    assert np.array_equal(again[0], first[1])
    assert asked == ["snow lies"]


def test_questions_are_always_embedded_anew(encoder, tmp_path, monkeypatch):
    cached = CachedEncoder(encoder, tmp_path)
    calls = []
    monkeypatch.setattr(type(encoder), "encode", lambda self, texts, *rest: calls.append(texts))
    cached.encode(["why"], "query")
    cached.encode(["why"], "query")
    assert len(calls) == 2


def test_nothing_and_other_attributes_pass_through(encoder, tmp_path):
    cached = CachedEncoder(encoder, tmp_path)
    assert cached.encode([], "document").shape == (0, encoder.dimension)
    assert (cached.name, cached.dimension) == (encoder.name, encoder.dimension)


def test_the_folder_is_private_and_under_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = cache_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
