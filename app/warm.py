"""A first question asked by nobody: weights load at their first use, and no reader should wait for that."""

from __future__ import annotations

from app.ask import ask
from app.runtime import Runtime
from core.types import OPERATOR, Question

REHEARSAL = "What do these documents say, and who wrote them?"


def warm(runtime: Runtime) -> None:
    """Build what every question needs and use it once, unrecorded.

    Raises:
        AttestError: a part could not be built.
    """
    runtime.warm()
    ask(runtime, Question(REHEARSAL, OPERATOR, generator="quote"), recorded=False)
