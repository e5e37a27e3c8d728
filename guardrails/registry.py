"""The flat list of rails: adding one is adding one file and one line here, or an entry point `attest.rails`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from core.settings import Settings
from guardrails.domain import Domain
from guardrails.exit_gate import ExitGate
from guardrails.external_guard import ExternalGuard
from guardrails.groundedness import Groundedness
from guardrails.harmful_requests import HarmfulRequests
from guardrails.indirect_injection import IndirectInjection
from guardrails.pii import Pii
from guardrails.prompt_injection import PromptInjection
from guardrails.rail import ClassifierRail, Rail
from guardrails.secrets import Secrets
from guardrails.toxicity import Toxicity
from guardrails.words import Words

if TYPE_CHECKING:
    from models.adapters import Classifier
    from models.encoder import Encoder
    from models.opinion import Opinion


def build_rails(settings: Settings, classifier: Classifier) -> list[Rail | ClassifierRail]:
    """Return the rails the settings ask for, in the order they run: what takes text out before what judges it.

    Raises:
        InvalidInput: a blocked pattern, a kind of personal data or a rail of another package cannot be used.
    """
    policy = settings.rails
    rails: list[Rail | ClassifierRail] = [
        Words(policy.blocked_words, policy.blocked_patterns),
        Secrets(),
        Pii(classifier, policy.pii_redact),
        Toxicity(classifier),
        PromptInjection(classifier),
        HarmfulRequests(classifier),
        IndirectInjection(classifier),
        Groundedness(classifier, lambda threshold: _opinion(settings, threshold)),
    ]
    if policy.domain_description.strip() or policy.domain_examples:
        rails.append(Domain(policy.domain_description, policy.domain_examples, lambda: _encoder(settings)))
    if policy.external_guard_url:
        rails.append(ExternalGuard(policy.external_guard_url, policy.external_guard_model))
    rails += [_custom(point) for point in entry_points(group="attest.rails")]
    rails.append(ExitGate(policy.allowed_links))
    return rails


def _encoder(settings: Settings) -> Encoder:
    from models.encoder import load_encoder

    return load_encoder(settings.embedder)


def _opinion(settings: Settings, threshold: float) -> Opinion | None:
    from models.opinion import load_opinion

    return load_opinion(settings, threshold)


def _custom(point: EntryPoint) -> Rail | ClassifierRail:
    """Build a rail published by another package; one that cannot be built stops the start, it is not skipped."""
    try:
        rail = point.load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidInput(f"rail {point.name} ({point.value}) does not load: {error}") from error
    if not all(hasattr(rail, part) for part in ("name", "stages", "threshold")):
        raise InvalidInput(f"rail {point.name} ({point.value}) needs name, stages and threshold")
    built: Rail | ClassifierRail = rail
    return built
