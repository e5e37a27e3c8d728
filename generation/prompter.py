"""The messages of a request by the settings: which prompt, and the worked examples that fit its window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.settings import GenerationSettings, Settings
from core.types import Evidence, Message, PromptName
from generation.brief import Shot
from generation.evidence import MARKER_TOKENS, PROMPT_TOKENS, estimate_tokens
from generation.styles import styled_messages

Choose = Callable[[str, int, int], list[Shot]]
"""Chooses worked examples: question, how many at most, tokens they may take."""


@dataclass(frozen=True, slots=True)
class Prompter:
    """Writes the messages of a request by the settings, worked examples included."""

    settings: GenerationSettings
    choose: Choose | None = None

    def messages(
        self, trained: PromptName | None, question: str, evidence: Sequence[Evidence], history: Sequence[Message] = ()
    ) -> list[dict[str, str]]:
        """Return the messages; `trained` is the prompt of the task that answers, where there is one."""
        prompt: PromptName = (trained or "full") if self.settings.prompt == "auto" else self.settings.prompt
        return styled_messages(prompt, question, evidence, history, self._shots(question, evidence, history))

    def _shots(self, question: str, evidence: Sequence[Evidence], history: Sequence[Message]) -> list[Shot]:
        if self.choose is None or not self.settings.shots:
            return []
        taken = sum(estimate_tokens(item.hit.chunk.text) + MARKER_TOKENS for item in evidence)
        taken += sum(estimate_tokens(message.content) for message in history)
        budget = self.settings.context_tokens - self.settings.max_tokens - PROMPT_TOKENS - taken
        return self.choose(question, self.settings.shots, budget)


def make_prompter(settings: Settings) -> Prompter:
    """Return the prompter of these settings; the examples are read and embedded at the first question."""
    path = settings.generation.examples
    if path is None:
        return Prompter(settings.generation)
    file = settings.home / path.expanduser()

    def choose(question: str, count: int, budget_tokens: int) -> list[Shot]:
        from generation.shots import load_shots

        return load_shots(file, settings.embedder).choose(question, count, budget_tokens)

    return Prompter(settings.generation, choose)
