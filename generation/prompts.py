"""Prompts are files beside this module; rendering refuses a variable that is missing or not used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from core.types import Evidence

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
NOT_FOUND = "NOT_IN_DOCUMENTS"
"""What a model is told to write where the passages do not answer."""


@cache
def template(name: str) -> str:
    """Return the text of `prompts/<name>.md`."""
    return (files("generation") / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()


def render(name: str, **values: str) -> str:
    """Fill a template in one pass, so that text put in is never read as a variable.

    Raises:
        KeyError: the variables given are not exactly those of the template.
    """
    text = template(name)
    wanted = set(_VARIABLE.findall(text))
    if wanted != set(values):
        raise KeyError(f"prompt {name!r} wants {sorted(wanted)} and was given {sorted(values)}")
    return _VARIABLE.sub(lambda match: values[match.group(1)], text)


@cache
def prompt_hash(name: str) -> str:
    """Return the sha256 of a template, for the audit record."""
    return hashlib.sha256(template(name).encode()).hexdigest()


def render_evidence(evidence: Sequence[Evidence]) -> str:
    """Return the passages as delimited data; a passage cannot close its own delimiter."""
    return "\n\n".join(
        render(
            "passage",
            marker=str(item.marker),
            title=inline(item.hit.title),
            heading=inline(item.hit.chunk.heading),
            date=(item.hit.effective_from or item.hit.updated_at).date().isoformat(),
            text=item.hit.chunk.text.replace("<passage", "‹passage").replace("</passage", "‹/passage"),
        )
        for item in evidence
    )


def inline(text: str) -> str:
    """Return a text as one line that cannot close an attribute or open a tag."""
    return re.sub(r"[\s<>\"]+", " ", text).strip()
