"""Which variables of the environment are settings: `ATTEST_…`, but for those that others set or that are none."""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIX = "ATTEST_"
PLAIN = {"ATTEST_HOME", "ATTEST_CONFIG", "ATTEST_FAILPOINT", "ATTEST_FILE_PASSWORD"}
"""Read where they are needed, and no settings."""
COMPOSE = {
    *("ATTEST_BIND", "ATTEST_API_PORT", "ATTEST_UI_PORT"),
    *("ATTEST_DOCUMENTS", "ATTEST_MODEL_DIR", "ATTEST_CPUS", "ATTEST_MEMORY"),
}
"""What docker-compose.yml reads, and a shell may therefore export."""
_SERVICE = re.compile(r"ATTEST_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
"""What Kubernetes tells every container of a Service whose name begins with `attest`."""


def settings_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are meant as settings, misspelt ones too."""
    return {
        name: text
        for name, text in environ.items()
        if name.startswith(PREFIX) and name not in PLAIN | COMPOSE and not _is_of_kubernetes(name, text)
    }


def _is_of_kubernetes(name: str, text: str) -> bool:
    if "__" in name:
        return False
    return _SERVICE.fullmatch(name) is not None or (name.endswith("_PORT") and _ADDRESS.match(text) is not None)
