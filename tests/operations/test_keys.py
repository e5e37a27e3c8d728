"""API keys: shown once, stored hashed, naming a principal with its groups as they are now."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect, text

from app.keys import TOKEN, authenticate, create_key, keys_exist, list_keys, revoke_key
from core.db import grants
from core.db.session import Database
from core.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from core.types import Principal


def test_a_key_acts_for_its_principal_with_its_groups_of_today(database: Database) -> None:
    with database.write() as session:
        made = create_key(session, "user:ana", name="laptop")
        grants.add_member(session, "user:ana", "group:hr")
    with database.read() as session:
        assert authenticate(session, made.token) == Principal("user:ana", frozenset({"group:hr"}))
    with database.write() as session:
        grants.remove_member(session, "user:ana", "group:hr")
    with database.read() as session:
        assert authenticate(session, made.token) == Principal("user:ana")


def test_the_store_does_not_hold_the_key(database: Database) -> None:
    with database.write() as session:
        made = create_key(session, "user:ana")
    match = TOKEN.fullmatch(made.token)
    assert match
    with database.read() as session:
        for table in inspect(session.connection()).get_table_names():
            for row in session.execute(text(f'SELECT * FROM "{table}"')):
                assert match.group(2) not in str(row)


def test_wrong_unknown_and_revoked_keys_are_refused_alike(database: Database) -> None:
    with database.write() as session:
        made = create_key(session, None, operator=True)
        assert authenticate(session, made.token).operator
    last = "A" if made.token[-1] != "A" else "B"
    wrong = [made.token[:-1] + last, made.token + "x", made.token.replace(made.prefix, "00000000"), "", "attest_", "é"]
    messages = set()
    with database.read() as session:
        for token in wrong:
            with pytest.raises(Unauthenticated) as refused:
                authenticate(session, token)
            messages.add(str(refused.value))
    with database.write() as session:
        revoke_key(session, made.prefix)
    with database.read() as session:
        with pytest.raises(Unauthenticated) as refused:
            authenticate(session, made.token)
        messages.add(str(refused.value))
        assert len(messages) == 1
        assert keys_exist(session)  # the server does not open again
        assert [key.prefix for key in list_keys(session)] == [made.prefix]
    with pytest.raises(Conflict), database.write() as session:
        revoke_key(session, made.prefix)
    with pytest.raises(NotFound), database.write() as session:
        revoke_key(session, "ffffffff")


def test_a_key_names_somebody(database: Database) -> None:
    for name in (None, "ana", "operator"):
        with pytest.raises(InvalidInput), database.write() as session:
            create_key(session, name)


def test_256_bits(database: Database) -> None:
    with database.write() as session:
        tokens = {create_key(session, "user:ana").token for _ in range(20)}
    secrets = {TOKEN.fullmatch(token).group(2) for token in tokens}
    assert len(secrets) == 20
    assert {len(secret) * 6 // 8 for secret in secrets} == {32}
