"""A PostgreSQL server of the tests' own, in a temporary folder, reached through a socket only.

`ATTEST_TEST_POSTGRES=postgresql://…` names a server to use instead; each test gets a database of its own on it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class PostgresServer:
    """A running server on which databases can be made."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, yield its URL, drop it."""
        name = f"attest_test_core_{uuid4().hex[:12]}"
        self._run(f"CREATE DATABASE {name}")
        try:
            base, _, query = self.url.partition("?")
            yield f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Yield a server; skip the test, saying why, where there is none to be had."""
    pytest.importorskip("psycopg", reason="PostgreSQL NOT TESTED: psycopg is not installed")
    if url := os.environ.get("ATTEST_TEST_POSTGRES"):
        yield PostgresServer(url)
        return
    binaries = next((bin for bin in FOLDERS if (bin / "initdb").exists()), None)
    if binaries is None:
        pytest.skip("PostgreSQL NOT TESTED: no server is installed; set ATTEST_TEST_POSTGRES to use one")
    folder = Path("/tmp") / f"attest-pg-{uuid4().hex[:8]}"  # a socket's path must stay under 108 characters
    folder.mkdir(mode=0o700)
    user = _unprivileged(folder)
    data = folder / "data"
    _as(user, [binaries / "initdb", "-D", data, "-U", "attest", "-A", "trust", "--no-sync"])
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=100"
    _as(user, [binaries / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log", "start"])
    try:
        yield PostgresServer(f"postgresql+psycopg://attest@/postgres?host={folder}")
    finally:
        _as(user, [binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: hand the folder to another account then."""
    if os.geteuid() != 0:
        return None
    name = next((user.pw_name for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody")), None)
    if name is None:
        pytest.skip("PostgreSQL NOT TESTED: running as root, and there is no other account to run a server")
    shutil.chown(folder, name)
    return name


def _as(user: str | None, command: list[object]) -> None:
    words = [str(word) for word in command]
    subprocess.run(
        words, user=user, check=True, capture_output=True, cwd="/", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    )
