"""A small instruct model run in this process, for a laptop without a model server.

The packaged SmolLM2-135M is not tuned for citing or refusing, so its drafts are always verified and `auto` does not
choose it; its first figures are in `docs/results/2026-11-23-answers-2.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from core.errors import ContextTooLong, GeneratorTimeout
from core.settings import GenerationSettings
from core.types import Evidence, GeneratorName, Message
from generation.chat import chat_messages


class EmbeddedGenerator:
    """Drafts with a causal language model in this process; one draft at a time."""

    name: GeneratorName = "embedded"

    def __init__(self, settings: GenerationSettings) -> None:
        self.model = settings.embedded_model
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the draft as it is decoded.

        Raises:
            ContextTooLong: question and evidence leave no room for an answer.
            GeneratorTimeout: a piece did not come within the deadline.
        """
        yield from self._stream(chat_messages(question, evidence, history), self._settings.max_tokens)

    def complete(self, instruction: str, max_tokens: int) -> str:
        """Return the model's reply to one instruction."""
        return "".join(self._stream([{"role": "user", "content": instruction}], max_tokens)).strip()

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text."""
        tokenizer, _ = self._load()
        return len(tokenizer.encode(text, add_special_tokens=False))

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load_model(self._settings.embedded_model)
            return self._loaded

    def _stream(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]:
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        tokenizer, model = self._load()
        encoded = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        length = encoded["input_ids"].shape[1]
        if length + max_tokens > min(self._settings.context_tokens, model.config.max_position_embeddings):
            raise ContextTooLong(
                f"question and passages take {length} tokens of a window of {self._settings.context_tokens}"
            )
        streamer = TextIteratorStreamer(
            tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=self._settings.timeout_s
        )
        stop = threading.Event()
        arguments = dict(
            **encoded,
            streamer=streamer,
            max_new_tokens=max_tokens,
            stopping_criteria=StoppingCriteriaList([lambda *_args, **_kwargs: stop.is_set()]),
            **_sampling(self._settings.temperature),
        )
        with self._lock:  # the model's cache is not shared between drafts
            yield from _run(model, arguments, streamer, stop)


def _run(model: Any, arguments: dict[str, Any], streamer: Any, stop: threading.Event) -> Iterator[str]:
    """Decode in a thread and yield what it streams; stop it when the reader goes away."""
    from queue import Empty

    failure: list[BaseException] = []

    def decode() -> None:
        try:
            model.generate(**arguments)
        except BaseException as error:  # noqa: BLE001 - handed to the reading thread, which raises it
            failure.append(error)
            streamer.end()

    worker = threading.Thread(target=decode, name="attest-decode", daemon=True)
    worker.start()
    try:
        yield from (piece for piece in streamer if piece)
    except Empty as error:
        raise GeneratorTimeout("the embedded model did not answer within its deadline") from error
    finally:
        stop.set()
        worker.join()
    if failure:
        raise failure[0]


def _sampling(temperature: float) -> dict[str, Any]:
    return {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}


def _load_model(name: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    from models.sources import find_weights

    transformers_logging.disable_progress_bar()
    folder, file = _weights(find_weights(name))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, **file)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32, **file)
    return tokenizer, model.to(device).eval()


def _weights(path: Path) -> tuple[Path, dict[str, str]]:
    """Return folder and the argument that names a GGUF file, where the weights are one."""
    if path.is_file():
        return path.parent, {"gguf_file": path.name}
    packed = sorted(path.glob("*.gguf"))
    if packed and not (path / "config.json").exists():
        return path, {"gguf_file": packed[0].name}
    return path, {}


@cache
def load_embedded(settings: GenerationSettings) -> EmbeddedGenerator:
    """Return the process-wide embedded generator of these settings."""
    return EmbeddedGenerator(settings)
