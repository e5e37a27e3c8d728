"""A small instruct model run in this process, for a laptop without a model server.

The packaged SmolLM2-135M neither cites nor refuses by itself; under a tuned task (`generation.tasks`) it does. Virtual
tokens go in front of the prompt as embeddings, an adapter is added to the weights when the task is first used. Drafts
are always verified; figures of the shipped tasks are in `docs/results/tuning.md`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from core.errors import ContextTooLong, GeneratorTimeout
from core.settings import GenerationSettings, Settings
from core.types import Evidence, GeneratorName, Message
from generation.prompter import Prompter, make_prompter
from generation.prompts import NOT_FOUND
from generation.stops import stop_ids
from generation.tasks import Task, local_task

_OPEN_MARKER = re.compile(r"\[\d*$")
_MARKER = re.compile(r"\[(\d+)\]")


class EmbeddedGenerator:
    """Drafts with a causal language model in this process; one draft at a time."""

    name: GeneratorName = "embedded"

    def __init__(
        self, settings: GenerationSettings, home: Path | None = None, prompter: Prompter | None = None
    ) -> None:
        self.model = settings.embedded_model
        self._settings = settings
        self._home = home
        self._prompter = prompter or Prompter(settings)

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the draft as it is decoded.

        Raises:
            ContextTooLong: question and evidence leave no room for an answer.
            GeneratorTimeout: a piece did not come within the deadline.
            NotFound: the settings name a task that is not on this machine.
        """
        task = local_task(self._settings, evidence, self._home)
        chosen = evidence if task is None else best_passages(evidence, task.passages)
        shown = [Evidence(place, item.hit) for place, item in enumerate(chosen, 1)]
        messages = self._prompter.messages(task.prompt if task else None, question, shown, history)
        pieces = self._stream(messages, self._settings.max_tokens, task)
        yield from renumbered(pieces, {place: item.marker for place, item in enumerate(chosen, 1)})

    def complete(self, instruction: str, max_tokens: int) -> str:
        """Return the model's reply to one instruction."""
        return "".join(self._stream([{"role": "user", "content": instruction}], max_tokens, None)).strip()

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text."""
        return len(_load(self.model, None).tokenizer.encode(text, add_special_tokens=False))

    def _stream(self, messages: list[dict[str, str]], max_tokens: int, task: Task | None) -> Iterator[str]:
        loaded = _load(self.model, task)
        with _loading:  # two threads that import from transformers at once find names missing
            from transformers import StoppingCriteriaList, TextIteratorStreamer
        encoded = loaded.encode(messages)
        length = loaded.length(encoded)
        if length + max_tokens > min(self._settings.context_tokens, loaded.model.config.max_position_embeddings):
            raise ContextTooLong(
                f"question and passages take {length} tokens of a window of {self._settings.context_tokens}"
            )
        streamer = TextIteratorStreamer(
            loaded.tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=self._settings.timeout_s
        )
        stop = threading.Event()
        arguments = dict(
            **encoded,
            streamer=streamer,
            max_new_tokens=max_tokens,
            eos_token_id=stop_ids(loaded.tokenizer),
            stopping_criteria=StoppingCriteriaList([lambda *_args, **_kwargs: stop.is_set()]),
            logits_processor=_refusing(loaded.tokenizer, task.refusal_bias if task else 0.0),
            **_sampling(self._settings.temperature),
        )
        with loaded.lock:  # the model's cache is not shared between drafts
            yield from _run(loaded.model, arguments, streamer, stop)


def best_passages(evidence: Sequence[Evidence], count: int) -> list[Evidence]:
    """Return the passages that scored best, in the order they had."""
    best = sorted(evidence, key=lambda item: -item.hit.score)[:count]
    return [item for item in evidence if item in best]


def renumbered(pieces: Iterable[str], markers: Mapping[int, int]) -> Iterator[str]:
    """Yield a draft with each marker `[n]` of the prompt turned into that of the evidence, however it is cut up."""
    held = ""
    for piece in pieces:
        text = held + piece
        cut = _OPEN_MARKER.search(text)
        held = text[cut.start() :] if cut else ""
        if ready := text[: len(text) - len(held)]:
            yield _MARKER.sub(lambda found: f"[{markers.get(int(found[1]), int(found[1]))}]", ready)
    if held:
        yield held


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory, with the virtual tokens of a task where there are any."""

    tokenizer: Any
    model: Any
    virtual: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def encode(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        """Return what the model's `generate` reads."""
        import torch

        encoded = dict(
            self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
            ).to(self.model.device)
        )
        if self.virtual is None:
            return encoded
        embedded = self.model.get_input_embeddings()(encoded["input_ids"])
        embedded = torch.cat([self.virtual[None], embedded], dim=1).detach()
        return {"inputs_embeds": embedded, "attention_mask": torch.ones(embedded.shape[:2], dtype=torch.long)}

    def length(self, encoded: Mapping[str, Any]) -> int:
        """Return how many tokens that is."""
        return int(encoded["attention_mask"].shape[1])


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


def _refusing(tokenizer: Any, bias: float) -> list[Any]:
    """Return what makes refusing likelier, or less likely, at the first token of a draft."""
    if not bias:
        return []
    refusing, begun = tokenizer.encode(NOT_FOUND, add_special_tokens=False)[0], threading.Event()

    def process(_ids: Any, scores: Any) -> Any:
        if not begun.is_set():
            begun.set()
            scores[:, refusing] += bias
        return scores

    return [process]


def _sampling(temperature: float) -> dict[str, Any]:
    return {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}


_loading = threading.Lock()


def _load(name: str, task: Task | None) -> Loaded:
    """Return the model of a task; models of tasks made of virtual tokens share the weights."""
    with _loading:
        return _load_task(name, task) if task else _load_model(name)


@cache
def _load_model(name: str) -> Loaded:
    import torch
    from transformers.utils import logging as transformers_logging

    from models.causal import load_causal
    from models.sources import find_weights

    transformers_logging.disable_progress_bar()
    tokenizer, model = load_causal(find_weights(name))
    return Loaded(tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu"))


@cache
def _load_task(name: str, task: Task) -> Loaded:
    from safetensors.torch import load_file

    plain = _load_model(name)
    if task.virtual_tokens:
        rows = load_file(task.virtual_tokens)["virtual_tokens"].to(plain.model.device, plain.model.dtype)
        return Loaded(plain.tokenizer, plain.model, rows, plain.lock)
    from generation.adapted import with_adapter

    return Loaded(plain.tokenizer, with_adapter(plain.model, task.folder))


def load_embedded(settings: Settings) -> EmbeddedGenerator:
    """Return the embedded generator of these settings; the weights are loaded once a process."""
    return EmbeddedGenerator(settings.generation, settings.home, make_prompter(settings))
