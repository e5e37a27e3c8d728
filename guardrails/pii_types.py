"""The kinds of personal data Attest knows, and how the names other tools use map to them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
        "MEDICAL_LICENSE",
        "NATIONAL_ID",
    }
)
"""Numbers that identify somebody to an authority or a bank: these are redacted, the others only reported."""


def family(name: str) -> str:
    """Return the kind a name stands for: addresses and towns are both `LOCATION`."""
    return FAMILIES.get(name, name)
