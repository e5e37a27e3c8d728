"""Tokens counted as the served model counts them: `/tokenize` of a vLLM server, beside its `/v1`.

A passage is counted once and remembered. A server without that path (another OpenAI-compatible one, a gateway) is
asked once and then estimated for.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections import OrderedDict

from core.errors import GenerationError, GeneratorUnavailable
from core.logging import without_credentials
from core.settings import GenerationSettings
from generation.connections import answered, failed
from generation.evidence import estimate_tokens

log = logging.getLogger(__name__)

KEPT = 20_000
"""Counts remembered: some megabytes, the passages of a day's questions."""
WAIT_S = 1.0
"""Tokenising takes a millisecond; a server that is slower is busy, and an estimate will do."""
QUIET_S = 10.0
"""How long a server that failed is not asked again."""


class TokenCounter:
    """Counts tokens with the first replica that answers; safe to call from several threads."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings
        self._kept: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self._ask_from: dict[str, float] = {}
        """From when a replica is asked again."""

    def __call__(self, text: str) -> int:
        """Return how many tokens a text has, an estimate on the high side where no server says."""
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text]
        count = self._counted(text)
        if count is None:
            return estimate_tokens(text)
        with self._lock:
            self._kept[text] = count
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return count

    def _counted(self, text: str) -> int | None:
        """Return what the first replica says that answers, `None` where none does."""
        for url in self._settings.vllm_urls:
            if time.monotonic() >= self._ask_from.get(url, 0.0) and (count := self._ask(url, text)) is not None:
                return count
        return None

    def _ask(self, replica: str, text: str) -> int | None:
        settings = self._settings
        body = {"prompt": text, "add_special_tokens": False}
        if settings.vllm_model:
            body["model"] = settings.vllm_model
        key = settings.vllm_api_key.get_secret_value() if settings.vllm_api_key else "none"
        url = replica.rstrip("/").removesuffix("/v1") + "/tokenize"
        try:
            with answered("POST", url, body, key, WAIT_S) as response:
                told = response.read()
            if response.status in (404, 405):
                self._ask_from[replica] = math.inf
                log.warning(
                    "%s counts no tokens; passages are fitted to the window by an estimate", without_credentials(url)
                )
                return None
            if response.status != 200:
                raise failed(GeneratorUnavailable, url, f"answered with status {response.status}")
            return int(json.loads(told)["count"])
        except (GenerationError, ValueError, KeyError, TypeError) as error:
            self._ask_from[replica] = time.monotonic() + QUIET_S
            log.info("%s did not count tokens: %s", without_credentials(url), error)
            return None
