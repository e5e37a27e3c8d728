"""What is in force: the settings, without secrets, and the guardrails' policy."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.auth import Operating, Parts
from core.logging import without_credentials
from core.types import Json

router = APIRouter(prefix="/v1", tags=["settings"])


@router.get("/settings")
def settings(_operator: Operating, runtime: Parts) -> Json:
    """Return every setting in force; of secrets, only whether they are set."""
    shown: Json = _without_credentials(runtime.settings.model_dump(mode="json"))
    return shown


@router.get("/rails")
def rails(_operator: Operating, runtime: Parts) -> Json:
    """Return each rail and stage with its action, its threshold and what happens when it cannot run."""
    from guardrails.cli import policy_rows

    return {"enabled": runtime.settings.rails.enabled, "rails": policy_rows(runtime.settings)}


def _without_credentials(value: Any) -> Any:
    """Take names and passwords out of addresses, wherever they stand."""
    if isinstance(value, dict):
        return {name: _without_credentials(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_credentials(inner) for inner in value]
    return without_credentials(value) if isinstance(value, str) else value
