"""Any guard model served over an OpenAI-compatible API (Llama Guard on vLLM, say) as one more input and output rail.

On when `rails.external_guard_url` is set; its precision and recall are those of the model it calls. It answers
`safe` or `unsafe` in its first line, as Llama Guard does; anything else, or no answer in time, is "unavailable".
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from core.errors import GeneratorUnavailable, InvalidSetting
from core.types import RailStage
from guardrails.rail import Context, Finding

TIMEOUT_S = 10.0


class ExternalGuard:
    """Asks a served guard model about a question or an answer."""

    name = "external_guard"
    stages: frozenset[RailStage] = frozenset({"input", "output"})
    threshold = 0.5

    def __init__(self, url: str, model: str | None) -> None:
        """Ask the server at a base URL, as whom its credentials say.

        Raises:
            InvalidSetting: the URL is none.
        """
        self._url, self._credentials = _parted(url.rstrip("/"))
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
            url = f"{self._url}/chat/completions"
            reply = httpx.post(url, json=body, auth=self._credentials, timeout=TIMEOUT_S).raise_for_status()
            words = str(reply.json()["choices"][0]["message"]["content"]).split()
        except (httpx.HTTPError, KeyError, IndexError, TypeError, ValueError) as error:
            raise GeneratorUnavailable(f"the external guard at {self._url} did not answer: {error}") from error
        if not words or words[0].lower() not in ("safe", "unsafe"):
            raise GeneratorUnavailable(f"the external guard at {self._url} answered neither safe nor unsafe")
        return Finding(0.0) if words[0].lower() == "safe" else Finding(1.0, " ".join(words[1:]) or "unsafe")


def _parted(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return a URL without credentials, and those: an error that tells the URL ends in the log."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
    except ValueError:
        raise InvalidSetting("rails.external_guard_url must be an address such as http://guard:8000/v1") from None
    credentials = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return parts._replace(netloc=host).geturl(), credentials
