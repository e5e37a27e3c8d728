"""Training questions from documents alone: proposed, written by a model, and kept where the reader agrees.

Names, numbers and phrases of a passage are proposed as answers; a model server, or the packaged model under the adapter
that learnt to ask, writes the questions. A question with an answer is kept where the reader finds that answer in the
passage, one without where the reader finds none: what a writer got wrong would teach the wrong thing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import NotFound
from core.settings import Settings
from generation.generators import Completer, make_generator
from generation.prompts import render
from tuning.judge import token_f1
from tuning.ptune_data import Example

if TYPE_CHECKING:
    from models.reader import Reading
    from tuning.question_writer import Ask

ADAPTER = Path(__file__).parents[1] / "models" / "weights" / "question_writer"
SAME_ANSWER = 0.5
"""Token F1 from which the reader's answer is the one that was asked about."""
QUESTION_TOKENS = 48

Write = Callable[[Sequence["Ask"]], Iterable[tuple["Ask", str]]]
Read = Callable[[str, Sequence[str]], Sequence["Reading"]]


def verified_examples(
    passages: Mapping[str, Sequence[str]], write: Write, read: Read, *, per_passage: int = 2, seed: int = 0
) -> tuple[list[Example], dict[str, int]]:
    """Return the questions that held, and how many were written, were no question, or failed the check."""
    from tuning.asking import example_of
    from tuning.question_writer import propose

    shown = [{"group": name, "text": text} for name, texts in sorted(passages.items()) for text in texts]
    chance = random.Random(seed)
    asks = propose(shown, per_passage, chance)
    chance.shuffle(asks)
    kept, counts = [], Counter({"written": 0, "no_question": 0, "failed_check": 0, "kept": 0})
    for number, (ask, text) in enumerate(write(asks)):
        counts["written"] += 1
        example = example_of(number, ask, text)
        if example is None:
            counts["no_question"] += 1
        elif not holds(example, ask.answer, read(example.question, [example.passage])[0]):
            counts["failed_check"] += 1
        else:
            counts["kept"] += 1
            kept.append(example)
    return kept, dict(counts)


def holds(example: Example, answer: str, reading: Reading) -> bool:
    """Whether the reader agrees: with the answer asked about, or that there is none."""
    if not example.answers:
        return reading.logit < 0
    found = example.passage[slice(*reading.span)]
    return reading.logit > 0 and token_f1(found, answer) >= SAME_ANSWER


def make_writer(settings: Settings) -> Write:
    """Return what writes questions here: the model server where one is set, otherwise the packaged adapter.

    Raises:
        NotFound: there is neither.
    """
    if settings.generation.vllm_urls:
        server = make_generator(settings, "vllm")
        assert isinstance(server, Completer)
        return lambda asks: ((ask, server.complete(instruction(ask), QUESTION_TOKENS)) for ask in asks)
    if not (ADAPTER / "adapter_model.safetensors").is_file():
        raise NotFound("nothing here writes questions: set generation.vllm_urls")
    from models.sources import find_weights
    from tuning.asking import AdapterWriter

    writer = AdapterWriter(find_weights(settings.generation.embedded_model), "cpu", adapter=ADAPTER)
    return lambda asks: writer.write(asks, batch=8, seconds=float("inf"))


def instruction(ask: Ask) -> str:
    """Return what a model server is asked for."""
    return render("ask_answerable" if ask.answerable else "ask_unanswerable", passage=ask.passage, answer=ask.answer)


def make_reader(settings: Settings) -> Read:
    """Return the reader that checks questions."""
    from models.reader import load_reader

    return load_reader(settings.embedder).read
