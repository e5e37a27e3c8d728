"""What the trials of a search over settings say: which no other beats, and which is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from core.settings_file import Chosen
from core.types import Json

NEAR_BEST = 0.01
"""Settings whose quality is this close to the best are equal; the fastest of them wins."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The settings of one trial and what they gave."""

    number: int
    settings: Chosen
    quality: float
    p50_ms: float
    tokens: float
    hit: float = field(default=0.0)


def report(trials: Sequence[Trial], questions: int, in_force: Chosen) -> Json:
    """Return what the trials say: the one with the settings in force, the frontier and the winner."""
    best = winner(trials)
    frontier = sorted(frontier_of(trials), key=lambda trial: trial.p50_ms)
    return {
        "questions": questions,
        "trials": len(trials),
        "in_force": asdict(next(trial for trial in trials if trial.settings == in_force)),
        "winner": asdict(best),
        "frontier": [asdict(trial) for trial in frontier],
    }


def frontier_of(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that no other beats or equals in quality, time and length at once."""
    return [one for one in trials if not any(_beats(other, one) for other in trials)]


def _beats(one: Trial, other: Trial) -> bool:
    ours = (one.quality, -one.p50_ms, -one.tokens)
    theirs = (other.quality, -other.p50_ms, -other.tokens)
    return ours != theirs and all(a >= b for a, b in zip(ours, theirs, strict=True))


def winner(trials: Sequence[Trial]) -> Trial:
    """Return the shortest and then fastest of the trials that are as good as the best."""
    best = max(trial.quality for trial in trials)
    good = [trial for trial in trials if trial.quality >= best - NEAR_BEST]
    return min(good, key=lambda trial: (trial.tokens, trial.p50_ms))
