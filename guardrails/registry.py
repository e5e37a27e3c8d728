"""The flat list of rails: adding one is adding one file and one line here, or an entry point `attest.rails`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from core.settings import Settings
from guardrails.exit_gate import ExitGate
from guardrails.harmful_requests import HarmfulRequests
from guardrails.indirect_injection import IndirectInjection
from guardrails.prompt_injection import PromptInjection
from guardrails.rail import ClassifierRail, Rail
from guardrails.secrets import Secrets
from guardrails.toxicity import Toxicity
from guardrails.words import Words

if TYPE_CHECKING:
    from models.adapters import Classifier


def build_rails(settings: Settings, classifier: Classifier) -> list[Rail | ClassifierRail]:
    """Return the rails the settings ask for, in the order they run."""
    policy = settings.rails
    rails: list[Rail | ClassifierRail] = [
        Words(policy.blocked_words, policy.blocked_patterns),
        Secrets(),
        Toxicity(classifier),
        PromptInjection(classifier),
        HarmfulRequests(classifier),
        IndirectInjection(classifier),
    ]
    rails += [_custom(point.name) for point in entry_points(group="attest.rails")]
    rails.append(ExitGate(policy.allowed_links))
    return rails


def _custom(name: str) -> Rail | ClassifierRail:
    """Build a rail published by another package; one that cannot be built stops the start, it is not skipped.

    Raises:
        InvalidInput: the entry point does not load, or is no rail.
    """
    point = next(iter(entry_points(group="attest.rails", name=name)))
    try:
        rail = point.load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidInput(f"rail {name} ({point.value}) does not load: {error}") from error
    if not all(hasattr(rail, part) for part in ("name", "stages", "threshold")):
        raise InvalidInput(f"rail {name} ({point.value}) needs name, stages and threshold")
    built: Rail | ClassifierRail = rail
    return built
