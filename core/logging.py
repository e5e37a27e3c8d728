"""Logging to standard error: one line a record, never a secret, never document text."""

from __future__ import annotations

import logging
import re
import sys

_CREDENTIALS = re.compile(r"//[^/\s]*@")


def configure_logging(verbose: bool = False) -> None:
    """Send our records to standard error, and quiet the libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for room in ("core", "models", "ingest", "retriever", "generation", "guardrails", "app", "tuning", "evals"):
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.INFO)


def without_credentials(text: str) -> str:
    """Return a text without the names and passwords of the addresses in it."""
    return _CREDENTIALS.sub("//…@", text)
