"""The one interface of everything that drafts an answer, and the ladder that picks one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from core.errors import InvalidInput
from core.settings import Settings
from core.types import Draft, Evidence, GeneratorChoice, GeneratorName, Message
from generation.evidence import estimate_tokens


def unexplained(_text: str) -> str:
    """Say that no term of a question means anything but itself."""
    return ""


class Generator(Protocol):
    """Drafts an answer from evidence; markers `[n]` name the evidence."""

    @property
    def name(self) -> GeneratorName:
        """Which of the three it is."""

    @property
    def model(self) -> str:
        """The model behind it, as shown to the reader."""

    def draft(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()) -> Iterator[str]:
        """Yield the draft in pieces as they come; closing the iterator stops the model."""


@runtime_checkable
class Completer(Protocol):
    """A generator that also follows a free instruction, such as rewriting a question."""

    def complete(self, instruction: str, max_tokens: int) -> str:
        """Return the model's reply to one instruction."""


@runtime_checkable
class Counting(Protocol):
    """A generator that counts tokens as its model does."""

    @property
    def count_tokens(self) -> Callable[[str], int]:
        """How many tokens a text has."""


def counter_of(generator: Generator) -> Callable[[str], int]:
    """Return what counts tokens for a generator: its model, or an estimate on the high side."""
    return generator.count_tokens if isinstance(generator, Counting) else estimate_tokens


def make_generator(
    settings: Settings, choice: GeneratorChoice, meaning: Callable[[str], str] = unexplained
) -> Generator:
    """Return the generator a request asked for; `auto` is vLLM where an endpoint is set, otherwise quote.

    `meaning` tells what documents say for the terms of a question.

    Raises:
        InvalidInput: vLLM is asked for and no endpoint is set.
    """
    wanted = settings.generation.generator if choice == "auto" else choice
    if wanted == "auto":
        wanted = "vllm" if settings.generation.vllm_urls else "quote"
    if wanted == "vllm":
        from generation.vllm import load_vllm

        if not settings.generation.vllm_urls:
            raise InvalidInput('no vLLM endpoint is set: give generation.vllm_urls, e.g. ["http://127.0.0.1:8001/v1"]')
        return load_vllm(settings)
    if wanted == "embedded":
        from generation.embedded import load_embedded

        return load_embedded(settings)
    from generation.quote import QuoteGenerator

    return QuoteGenerator(settings, meaning)


def write_draft(
    generator: Generator,
    question: str,
    evidence: Sequence[Evidence],
    history: Sequence[Message] = (),
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> Draft:
    """Return the whole draft of a generator, or what there is of it once `stopped` is true."""
    pieces = generator.draft(question, evidence, history)
    text = "".join(itertools.takewhile(lambda _piece: not stopped(), pieces))
    close = getattr(pieces, "close", None)
    if close is not None:
        close()  # the model goes on otherwise
    return Draft(text, generator.name, generator.model)
