"""Rows made by filling templates: `tuning/rails_*.toml` hold the sentences and the values of their slots.

Rows of one template share a group, so that a fold holds whole templates out: what is measured on them is a
wording the adapter has not seen, though with values it may know.
"""

from __future__ import annotations

import hashlib
import random
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guardrails.normalise import plain

Fields = dict[str, Any]
FILES = (
    "rails_templates.toml",
    "rails_ordinary.toml",
    "rails_harm.toml",
    "rails_languages.toml",
    "rails_orders.toml",
    "rails_requests.toml",
    "rails_requests_abroad.toml",
)
_SLOT = re.compile(r"\{(\w+)\}")


def _read(*names: str) -> Fields:
    """Read template files into one: lists of templates, and the slots of all."""
    files = [tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8")) for name in names]
    slots = {name: values for file in files for name, values in file.pop("slots").items()}
    return {name: values for file in files for name, values in file.items()} | {"slots": slots}


TEMPLATES = _read(*FILES)


def rows_of(
    name: str, label: int, times: int, chance: random.Random, weight: float = 0.6, *, scored: str = ""
) -> Iterator[Fields]:
    """Fill each template of a list up to `times` times, no text twice.

    With `scored` the rows are measured too, as the kind `SCORED:NAME`; else they only train.
    """
    seen: set[str] = set()
    for template in TEMPLATES[name]:
        for _ in range(times if _SLOT.search(template) else 1):
            text = filled(template, chance)
            if chance.random() < 0.15:
                text = text.lower()
            text = plain(text)  # as the rails will see it
            if text not in seen:
                seen.add(text)
                row = made(text, label, f"{scored}:{name}" if scored else name, weight)
                yield row | {"group": f"template-{hash_of(template)}", "train_only": not scored}


def filled(template: str, chance: random.Random) -> str:
    """Return a template with a value in each slot, nested ones too; a slot at its start gets a capital."""
    text = template
    while _SLOT.search(text):
        text = _SLOT.sub(lambda match: _value(match[1], chance), text)
    return text[:1].upper() + text[1:] if template.startswith("{") else text


def _value(slot: str, chance: random.Random) -> str:
    """Return a value of a slot; `{Rule}` takes one of `rule`, with a capital, where it has no values of its own."""
    slots = TEMPLATES["slots"]
    if slot in slots:
        return str(chance.choice(slots[slot]))
    value = str(chance.choice(slots[slot[:1].lower() + slot[1:]]))
    return value[:1].upper() + value[1:]


def hijack(template: str, chance: random.Random) -> str:
    """Return an attempt to take the system over, with a goal in the template's place for it."""
    goal = chance.choice(TEMPLATES["goals"])
    text = template.replace("{goal}", goal).replace("{Goal}", goal[:1].upper() + goal[1:])
    return filled(text, chance)


def made(text: str, label: int, kind: str, weight: float) -> Fields:
    """Return a row that was written rather than collected."""
    group = f"made-{hash_of(text)}"
    return {
        "id": group,
        "text": text,
        "label": label,
        "group": group,
        "kind": kind,
        "weight": weight,
        "train_only": True,
    }


def hash_of(text: str) -> str:
    """Return a short stable name for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
