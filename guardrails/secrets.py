"""Keys, tokens and passwords in a text: formats with a fixed shape, and assignments to a telling name.

Rules only, under 1 ms a text; figures in `docs/results/rails.md`, `attest rails test` reproduces them.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from core.types import RailStage
from guardrails.rail import Context, Finding

_SHAPES = {
    "private_key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:(?!-----BEGIN)[\s\S]){0,8000}?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?",
    "aws_access_key": r"\b(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA)[A-Z0-9]{16}\b",
    "github_token": r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b|\bgithub_pat_[A-Za-z0-9_]{60,255}\b",
    "gitlab_token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "slack_token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|https://hooks\.slack\.com/services/[A-Z0-9/]{20,}",
    "google_api_key": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "google_oauth": r"\bya29\.[A-Za-z0-9_-]{20,}",
    "openai_key": r"\bsk-(?:proj-|ant-[a-z0-9]+-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,}",
    "stripe_key": r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",
    "huggingface_token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "npm_token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "pypi_token": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "sendgrid_key": r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "twilio_key": r"\bSK[0-9a-f]{32}\b",
    "azure_storage": r"AccountKey=[A-Za-z0-9+/=]{60,}",
    "jwt": r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    "attest_key": r"\battest_[A-Za-z0-9_-]{24,}",
    "url_password": r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]+:(?P<secret_url>[^\s/@]{3,})@[^\s]+",
    "bearer": r"\b[Bb]earer\s+[A-Za-z0-9._~+/-]{20,}=*",
}
_SHAPE = re.compile("|".join(f"(?P<{name}>{shape})" for name, shape in _SHAPES.items()))
_ASSIGNED = re.compile(
    r"""(?:password|passwd|passwort|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|token|credential)[\w-]{0,60}
    ["']?\s*(?:=|:=|:|\bis\b)\s*(?P<quote>["'`]?)(?P<value>[^\s"'`,;]{6,})""",
    re.IGNORECASE | re.VERBOSE,
)
"""A telling word anywhere in a name: what stands before it in the name is not read, so that a long word costs no more
than its length. The bounds here and above are there for the same reason: a text of one word must not stop a server."""
_PLACEHOLDER = re.compile(
    r"^(?:<.*|\[.*|\$\{?.*|\{\{.*|%.*|x++|[*.]|your[-_]?.*|my[-_]?.*|example.*|changeme|placeholder|none|null|true|false|required|optional|undefined|string|env\b.*|os\..*|process\..*|getenv.*)\W*$",
    re.IGNORECASE,
)
REMOVED = "[secret removed]"


class Secrets:
    """Finds credentials by shape, or by the name they are assigned to when the value looks random."""

    name = "secrets"
    stages: frozenset[RailStage] = frozenset({"ingest", "input", "output"})
    threshold = 0.5

    def check(self, context: Context) -> Finding:
        """Score 1 when a credential is found, with its kinds as the reason and the text without it."""
        spans = find_secrets(context.text)
        if not spans:
            return Finding(0.0)
        return Finding(1.0, ", ".join(sorted({kind for kind, _, _ in spans})), _without(context.text, spans))


def find_secrets(text: str) -> list[tuple[str, int, int]]:
    """Return (kind, start, end) of every credential, in order and not overlapping."""
    spans = [(match.lastgroup or "secret", match.start(), match.end()) for match in _SHAPE.finditer(text)]
    spans = [("url_password" if kind == "secret_url" else kind, start, end) for kind, start, end in spans]
    for match in _ASSIGNED.finditer(text):
        value = match["value"].rstrip(".)!?]}>")
        if _looks_random(value, quoted=bool(match["quote"])):
            spans.append(("assigned", match.start("value"), match.start("value") + len(value)))
    return _disjoint(spans)


def _looks_random(value: str, *, quoted: bool) -> bool:
    """A password in prose mixes kinds of characters; a word after `password:` in a manual does not."""
    if len(value) < 6 or _PLACEHOLDER.match(value):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w\s]"))
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    if quoted:
        return kinds >= 2 and bits >= 2.0
    return bool(re.search(r"\d", value)) and kinds >= 2 and bits >= 2.3


def _disjoint(spans: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    kept: list[tuple[str, int, int]] = []
    for span in sorted(spans, key=lambda s: (s[1], -s[2])):
        if not kept or span[1] >= kept[-1][2]:
            kept.append(span)
    return kept


def _without(text: str, spans: list[tuple[str, int, int]]) -> str:
    ends = [0, *(end for _, _, end in spans)]
    kept = [text[before:start] for before, (_, start, _) in zip(ends, spans, strict=False)]
    return REMOVED.join([*kept, text[ends[-1] :]])
