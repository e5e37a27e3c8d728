"""Addresses as they are kept and shown: without the secrets that only the request needs."""

from __future__ import annotations

import re

_USER = re.compile(r"(https?://)[^/?#\s]*@", re.IGNORECASE)
_PASSWORD = re.compile(r"((?<![a-z0-9+.-])[a-z0-9+.-]+://)[^/?#\s:@]*:[^/?#\s]*@", re.IGNORECASE)
"""In other schemes than the web's what stands before an @ may be a name, as of a container: `abfs://box@account`."""
_SIGNATURE = re.compile(
    r"([?&;](?:sig|signature|token|access_token|x-(?:amz|goog)-(?:signature|security-token|credential))=)[^&;#\s]+",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Return an address, or a text with addresses in it, without user names, passwords and signatures.

    An address that has none stays as it is to the letter: it names its document for good.
    """
    if "://" not in text:
        return text
    return _SIGNATURE.sub(r"\1***", _PASSWORD.sub(r"\1", _USER.sub(r"\1", text)))
