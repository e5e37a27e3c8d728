"""API keys: made once, shown once, stored as a prefix and a hash, revocable at once.

A token is `attest_<8 hexadecimal digits>_<256 random bits>`. The digits find the row, the sha256 of the whole token
decides. A fast hash suffices: 256 random bits cannot be guessed, so there is nothing for a slow one to slow down.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.clock import now
from core.db.access import principal_named
from core.db.grants import require_principal
from core.db.models import ApiKey
from core.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from core.types import Principal

TOKEN = re.compile(r"attest_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
SECRET_BYTES = 32
NO_SUCH_KEY = "0" * 64


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `token` is never to be had again."""

    prefix: str
    token: str
    principal: str
    operator: bool


def create_key(session: Session, principal: str | None, *, name: str = "", operator: bool = False) -> NewKey:
    """Make a key for a principal, or an operator's key.

    Raises:
        InvalidInput: neither or a malformed principal was named.
    """
    if principal is None and not operator:
        raise InvalidInput("a key acts for somebody: name a principal, or ask for an operator's key")
    who = "operator" if principal is None else require_principal(principal)
    prefix = secrets.token_hex(4)
    while session.get(ApiKey, prefix) is not None:
        prefix = secrets.token_hex(4)
    token = f"attest_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    session.add(ApiKey(prefix=prefix, sha256=_hash(token), principal=who, operator=operator, name=name))
    return NewKey(prefix, token, who, operator)


def list_keys(session: Session) -> list[ApiKey]:
    """Return every key, revoked ones too, oldest first."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.prefix)))


def revoke_key(session: Session, prefix: str) -> None:
    """End a key; the next request that carries it is refused.

    Raises:
        NotFound: there is no key of that prefix.
        Conflict: it is revoked already.
    """
    key = session.get(ApiKey, prefix)
    if key is None:
        raise NotFound(f"there is no key {prefix}")
    if key.revoked_at is not None:
        raise Conflict(f"key {prefix} was revoked at {key.revoked_at.isoformat()}")
    key.revoked_at = now()


def authenticate(session: Session, token: str) -> Principal:
    """Return the principal a token acts for, with its groups as they are now.

    Raises:
        Unauthenticated: the token is malformed, unknown or revoked; which of these is not said.
    """
    match = TOKEN.fullmatch(token)
    key = session.get(ApiKey, match.group(1)) if match else None
    same = hmac.compare_digest(_hash(token), key.sha256 if key else NO_SUCH_KEY)
    if key is None or not same or key.revoked_at is not None:
        raise Unauthenticated("the API key is not valid")
    if key.operator:
        return Principal(key.principal, operator=True)
    return principal_named(session, key.principal)


def keys_exist(session: Session) -> bool:
    """Say whether a key was ever made; revoking the last one must not open the server to everybody."""
    return bool(session.scalar(select(exists(select(ApiKey.prefix)))))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
