from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.types import OPERATOR, Query
from retriever import question_map
from retriever.question_map import QuestionMap, question_map_of


def unit(count, dimension=384, seed=0):
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_moved_vectors_are_unit_vectors_and_no_map_moves_nothing():
    vectors = unit(5)
    moved = QuestionMap(unit(384, seed=1) * 0.5)(vectors)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    assert np.abs(moved - vectors).max() > 0.01
    np.testing.assert_allclose(QuestionMap(np.zeros((384, 384), dtype=np.float32))(vectors), vectors, atol=1e-6)


def test_the_packaged_map_is_for_the_packaged_encoder_and_moves_questions_a_little(encoder):
    move = question_map_of(encoder)
    assert move is not None
    vectors = encoder.encode(["How many days of leave are there?", "who approves travel"], "query")
    assert (move(vectors) * vectors).sum(axis=1).min() > 0.7


def test_a_map_of_another_encoder_is_not_used(encoder, tmp_path, monkeypatch):
    save_file({"matrix": np.eye(384, dtype=np.float16)}, tmp_path / "map.safetensors")
    (tmp_path / "card.json").write_text(json.dumps({"revision": "another"}))
    monkeypatch.setattr(question_map, "FOLDER", tmp_path)
    assert question_map_of(encoder) is None


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_it_moves_questions_of_hybrid_search_and_can_be_switched_off(library, open_retriever, encoder, wanted, mode):
    library.add("leave", ["Employees receive twenty days of paid annual leave."])
    hit = open_retriever(question_map=wanted).retrieve(Query("how many days off"), OPERATOR, mode=mode).hits[0]
    plain = float(encoder.encode(["how many days off"], "query")[0] @ encoder.encode([hit.chunk.text], "document")[0])
    assert (abs(hit.scores.dense - plain) > 1e-4) is (wanted and mode == "hybrid")
