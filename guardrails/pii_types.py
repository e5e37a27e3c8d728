"""The kinds of personal data Attest knows, and how the names other tools use map to them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from core.errors import InvalidSetting

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "GPE": "LOCATION",
        "LOC": "LOCATION",
        "FAC": "LOCATION",
        "ADDRESS": "LOCATION",
        "STREET_ADDRESS": "LOCATION",
        "ZIP_CODE": "LOCATION",
        "PER": "PERSON",
        "ORG": "ORGANIZATION",
        "NORP": "NRP",
        "DATE": "DATE_TIME",
        "TIME": "DATE_TIME",
        "DOMAIN_NAME": "URL",
        "PHONE": "PHONE_NUMBER",
        "EMAIL": "EMAIL_ADDRESS",
        "IBAN": "IBAN_CODE",
        "SSN": "US_SSN",
        "US_PASSPORT": "PASSPORT",
    }
)
SPACY_FAMILY: Mapping[str, str] = MappingProxyType(
    {
        "PERSON": "PERSON",
        "GPE": "LOCATION",
        "LOC": "LOCATION",
        "FAC": "LOCATION",
        "ORG": "ORGANIZATION",
        "NORP": "NRP",
        "DATE": "DATE_TIME",
    }
)
SENSITIVE = frozenset(
    {
        "CREDIT_CARD",
        "IBAN_CODE",
        "US_SSN",
        "US_DRIVER_LICENSE",
        "PASSPORT",
        "UK_NHS",
        "UK_NINO",
        "US_ITIN",
        "CRYPTO",
        "NATIONAL_ID",
    }
)
"""Numbers that identify somebody to an authority or a bank: these are redacted, the others only reported."""
TAGGED = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "DATE_TIME", "AGE", "NRP", "TITLE"})
"""Kinds only the tagger finds; a policy that does not name one of them never runs it."""
KINDS = SENSITIVE | TAGGED | {"EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER", "URL"}
"""All kinds that are ever found."""


def family(name: str) -> str:
    """Return the kind a name stands for: addresses and towns are both `LOCATION`."""
    return FAMILIES.get(name, name)


def kinds_named(names: Iterable[str]) -> frozenset[str]:
    """Return the kinds that a setting names, in any case.

    Raises:
        InvalidSetting: one is never found; naming it would leave what was meant as it stands.
    """
    kinds = set()
    for name in names:
        kind = family(re.sub(r"[\s-]+", "_", name.strip().upper()))
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, sorted({*KINDS, *FAMILIES}), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(KINDS))}"
            raise InvalidSetting(f"rails.pii_redact: {name!r} is no kind of personal data; {hint}")
        kinds.add(kind)
    return frozenset(kinds)
