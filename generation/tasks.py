"""Tuned tasks: what `attest tune ptune` learnt, by name, and which of them drafts for a collection.

A task is a folder with `task.json` (how it was trained, the prompt it wants, for which model) beside
`virtual_tokens.safetensors` or a LoRA adapter. Folders are looked for under `tasks/` of the home, then among those
that ship. A model server holds the tasks baked into its checkpoint, or an adapter under the task's name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from core.errors import NotFound
from core.types import Evidence, GeneratorName, PromptName, Style

if TYPE_CHECKING:
    from core.settings import GenerationSettings, Settings

SHIPPED = Path(__file__).parents[1] / "models" / "weights"
TASK_FILE = "task.json"
NONE = "none"
PASSAGES = 3
"""Passages a small tuned model is shown: as many as it saw at most while it learnt."""


@dataclass(frozen=True, slots=True)
class Task:
    """A tuned task on this machine."""

    name: str
    folder: Path
    method: str
    prompt: PromptName
    model: str
    """The model it belongs to; empty where the card does not say."""
    passages: int
    refusal_bias: float
    """Added to the logit of refusing at the first token (`tuning.refusal_bias`)."""

    @property
    def virtual_tokens(self) -> Path | None:
        """The file of its virtual tokens; `None` for an adapter."""
        path = self.folder / "virtual_tokens.safetensors"
        return path if path.is_file() else None


def task_name(settings: GenerationSettings, evidence: Sequence[Evidence]) -> str:
    """Return the task that drafts from this evidence: its collection's where it has one, otherwise the default."""
    collections = {item.hit.collection for item in evidence}
    chosen = {settings.collection_tasks.get(collection, settings.task) for collection in collections}
    return chosen.pop() if len(chosen) == 1 else settings.task


def local_task(settings: GenerationSettings, evidence: Sequence[Evidence], home: Path | None) -> Task | None:
    """Return the task for the embedded model; `auto` is the one that ships for it, if there is one."""
    name = task_name(settings, evidence)
    if name == NONE:
        return None
    if name == "auto":
        shipped = _read(SHIPPED / "answer", "answer")
        return shipped if shipped and shipped.model == settings.embedded_model else None
    return find_task(name, home)


def find_task(name: str, home: Path | None) -> Task:
    """Return a task by name.

    Raises:
        NotFound: neither the home nor the package holds it.
    """
    places = [*([home / "tasks"] if home else []), SHIPPED]
    for place in places if name and Path(name).name == name else ():
        if task := _read(place / name, name):
            return task
    raise NotFound(f"no tuned task {name!r}: train one with `attest tune ptune --name {name}`")


@cache
def _read(folder: Path, name: str) -> Task | None:
    file = folder / TASK_FILE
    if not file.is_file():
        return None
    card = json.loads(file.read_text(encoding="utf-8"))
    return Task(
        name,
        folder,
        str(card["method"]),
        cast(PromptName, card.get("prompt", "brief")),
        str(card.get("model", "")),
        int(card.get("passages", PASSAGES)),
        float(card.get("refusal_bias", 0.0)),
    )


def drafting_task(settings: Settings, generator: GeneratorName, evidence: Sequence[Evidence]) -> str:
    """Return the name of the task under which a generator drafts from this evidence, for the record."""
    name = task_name(settings.generation, evidence)
    if generator == "quote":
        return NONE
    if name != "auto":
        return name
    shipped = local_task(settings.generation, evidence, settings.home) if generator == "embedded" else None
    return shipped.name if shipped else NONE


def styled(settings: Settings, style: Style) -> Settings:
    """Return the settings as one request wants its draft."""
    changes = {name: value for name, value in asdict(style).items() if value is not None}
    if style.task is not None:
        changes["collection_tasks"] = {}
    return settings.model_copy(update={"generation": settings.generation.model_copy(update=changes)})


@dataclass(frozen=True, slots=True)
class ServedTask:
    """A task that a model server holds: its name, and the prompt it was trained with."""

    name: str
    prompt: PromptName


def served_task(settings: GenerationSettings, evidence: Sequence[Evidence], home: Path | None) -> ServedTask | None:
    """Return the task to ask a model server for; a server's tasks are always named, `auto` is none there."""
    name = task_name(settings, evidence)
    if name in (NONE, "auto"):
        return None
    try:
        return ServedTask(name, find_task(name, home).prompt)
    except NotFound:  # trained elsewhere: the checkpoint has it, this machine does not
        return ServedTask(name, "brief")
