"""Any guard model served over an OpenAI-compatible API (Llama Guard on vLLM, say) as one more input and output rail.

On when `rails.external_guard_url` is set; its precision and recall are those of the model it calls. It answers
`safe` or `unsafe` in its first line, as Llama Guard does; anything else, or no answer in time, is "unavailable".
"""

from __future__ import annotations

from core.errors import GeneratorUnavailable
from core.types import RailStage
from guardrails.rail import Context, Finding

TIMEOUT_S = 10.0


class ExternalGuard:
    """Asks a served guard model about a question or an answer."""

    name = "external_guard"
    stages: frozenset[RailStage] = frozenset({"input", "output"})
    threshold = 0.5

    def __init__(self, url: str, model: str | None) -> None:
        self._url = url.rstrip("/")
        self._model = model or "guard"

    def check(self, context: Context) -> Finding:
        """Score 1 when the guard says `unsafe`, with its categories as the reason.

        Raises:
            GeneratorUnavailable: the guard cannot be reached, or answers something else.
        """
        import httpx

        role = "user" if context.stage == "input" else "assistant"
        before = [] if role == "user" else [{"role": "user", "content": "(a question about documents)"}]
        body = {
            "model": self._model,
            "messages": [*before, {"role": role, "content": context.text}],
            "temperature": 0.0,
            "max_tokens": 32,
        }
        try:
            reply = httpx.post(f"{self._url}/chat/completions", json=body, timeout=TIMEOUT_S).raise_for_status()
            words = str(reply.json()["choices"][0]["message"]["content"]).split()
        except (httpx.HTTPError, KeyError, IndexError, TypeError, ValueError) as error:
            raise GeneratorUnavailable(f"the external guard at {self._url} did not answer: {error}") from error
        if not words or words[0].lower() not in ("safe", "unsafe"):
            raise GeneratorUnavailable(f"the external guard at {self._url} answered neither safe nor unsafe")
        return Finding(0.0) if words[0].lower() == "safe" else Finding(1.0, " ".join(words[1:]) or "unsafe")
