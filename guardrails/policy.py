"""What each rail does when it fires: built-in defaults, overridden by `[rails.policy.NAME]` in the settings.

A key may name a rail (`toxicity`) or a rail at one stage (`output.toxicity`); the second wins. The
defaults are explained for a compliance officer in `docs/rails-policy.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from core.errors import InvalidSetting
from core.settings import RailPolicy, RailSettings
from core.types import Action, RailStage

FailMode = Literal["open", "closed"]
ACTIONS: tuple[Action, ...] = ("allow", "flag", "redact", "block")
"""The least strict first."""
_BLOCK: Mapping[RailStage, Action] = MappingProxyType(
    {"ingest": "block", "input": "block", "retrieval": "block", "output": "block"}
)
DEFAULT_ACTIONS: Mapping[str, Mapping[RailStage, Action]] = MappingProxyType(
    {
        # A name is the rule in an office: persons and places only flag, numbers are redacted (guardrails/pii.py).
        "pii": {"ingest": "flag", "input": "flag", "output": "redact"},
        "secrets": {"ingest": "flag", "input": "flag", "output": "redact"},
        # `flag` blanks the sentence that gives orders and keeps the passage; `block` drops the passage.
        "indirect_injection": {"ingest": "block", "retrieval": "flag"},
        "exit_gate": {"output": "redact"},
        "groundedness": {"output": "flag"},
    }
)

DEFAULT_THRESHOLDS: Mapping[tuple[str, RailStage], float] = MappingProxyType(
    {
        # Quarantine takes a whole document away, so it asks for more certainty than blanking a sentence does.
        ("indirect_injection", "ingest"): 0.97,
    }
)
CLOSED_BY_DEFAULT: frozenset[tuple[str, RailStage]] = frozenset({("indirect_injection", "retrieval")})
"""Rails that fail closed although they only flag: this flag takes a sentence out before a model reads it."""
OFF_BY_DEFAULT = frozenset({"groundedness"})
"""Rails that run only where the policy names them: the verifier does this one's work on every answer."""

OPTIONAL = frozenset({"domain", "external_guard"})
"""Rails that are built only where the settings describe them; a policy may name them all the same."""
PRIVATE = frozenset({"pii", "secrets"})
"""Rails whose finding is not kept where the policy redacts or blocks it."""
CANNOT_REDACT = frozenset(
    {"toxicity", "prompt_injection", "harmful_requests", "groundedness", "domain", "external_guard"}
)
"""Rails that judge a text as a whole: there is no part of it that they could take out."""

_SILENT = RailPolicy()
"""Of a rail that the settings do not name."""


@dataclass(frozen=True, slots=True)
class Effective:
    """The policy in force for one rail at one stage in one collection."""

    action: Action
    threshold: float | None
    fail: FailMode
    enabled: bool


def effective(settings: RailSettings, rail: str, stage: RailStage, collection: str | None) -> Effective:
    """Return what a rail does at a stage for a collection; `threshold` None means the rail's own."""
    general, special = settings.policy.get(rail, _SILENT), settings.policy.get(f"{stage}.{rail}", _SILENT)
    action = _action(general, special, collection)
    if action is None or (action == "redact" and stage == "ingest"):  # documents are stored as they are
        action = DEFAULT_ACTIONS.get(rail, _BLOCK).get(stage, "flag")
    threshold = special.threshold if special.threshold is not None else general.threshold
    if threshold is None:
        threshold = DEFAULT_THRESHOLDS.get((rail, stage))
    closed = action in ("block", "redact") or (action == "flag" and (rail, stage) in CLOSED_BY_DEFAULT)
    fail = special.fail or general.fail or ("closed" if closed else "open")
    named = rail in settings.policy or f"{stage}.{rail}" in settings.policy or rail not in OFF_BY_DEFAULT
    return Effective(action, threshold, fail, settings.enabled and general.enabled and special.enabled and named)


def strictest(settings: RailSettings, rail: str, stage: RailStage, collections: Iterable[str | None]) -> Effective:
    """Return what a rail does to a text made from these collections: what the strictest of them asks."""
    found = [effective(settings, rail, stage, collection) for collection in collections]
    strict = max(found, key=lambda policy: ACTIONS.index(policy.action))
    return replace(strict, fail="closed" if any(policy.fail == "closed" for policy in found) else "open")


def check_policy(settings: RailSettings, known: Iterable[str]) -> None:
    """Refuse a policy that could not be kept: in silence, it would leave a text less guarded than somebody thinks.

    Raises:
        InvalidSetting: a key of `[rails.policy]` names no rail, or asks one to redact that cannot.
    """
    names = {*known, *OPTIONAL}
    for key, policy in settings.policy.items():
        stage, dot, rail = key.rpartition(".")
        if rail not in names or (dot and stage not in _BLOCK):
            raise InvalidSetting(f"rails.policy.{key}: no such rail. Known: {', '.join(sorted(names))}")
        if "redact" not in (policy.action, *policy.collections.values()):
            continue
        if rail in CANNOT_REDACT:
            raise InvalidSetting(f"rails.policy.{key}: {rail} cannot redact, it judges a whole text; use flag or block")
        if stage == "ingest":
            raise InvalidSetting(
                f"rails.policy.{key}: cannot redact, documents are stored as they are; use flag or block"
            )


def _action(general: RailPolicy, special: RailPolicy, collection: str | None) -> Action | None:
    if collection is not None:
        for policy in (special, general):
            if collection in policy.collections:
                return policy.collections[collection]
    return special.action or general.action
