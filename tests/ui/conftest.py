"""A whole installation for the browser: documents, `attest serve` and `attest ui`, started as a person would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.conftest import KnowledgeBase

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START_S = 180.0


class NotStarted(Exception):
    """A server did not come up."""


@dataclass(frozen=True)
class Site:
    """Where the pages and the API of the installation answer."""

    pages: str
    api: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, once a module."""
    from tests.ui.browsing import started

    with started() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A fresh profile on the pages without keys."""
    from tests.ui.browsing import watched

    with watched(browser) as opened:
        opened.goto(site.pages)
        yield opened


@pytest.fixture(scope="module")
def site(knowledge_base: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a copy of the shared knowledge base, without keys: whoever asks is the operator."""
    home = tmp_path_factory.mktemp("site") / "home"
    shutil.copytree(knowledge_base.home, home)
    with installation(home) as served:
        yield served


@pytest.fixture(scope="module")
def keyed_site(knowledge_base: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """Serve a copy of the shared knowledge base that has a key, and return that key: it acts for `user:hana`."""
    home = tmp_path_factory.mktemp("keyed") / "home"
    shutil.copytree(knowledge_base.home, home)
    command = [sys.executable, "-m", "app.cli", "keys", "create", "user:hana"]
    made = subprocess.run(command, env=_environment(home), capture_output=True, text=True, check=True)
    with installation(home) as served:
        yield served, made.stdout.strip()


@contextmanager
def installation(home: Path, **settings: str) -> Iterator[Site]:
    """Serve a home and its pages, each in a process of its own."""
    log, environment = home.parent / "log.txt", _environment(home) | settings
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        command = [sys.executable, "-m", "app.cli", *arguments]
        with log.open("ab") as out:
            started.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True))

    def alive() -> bool:
        return all(process.poll() is None for process in started)

    try:
        start("serve", "--port", "0")
        api = _wait(lambda: _announced(log), alive)
        wait_until_answers(f"{api}/readyz", alive)
        port = str(free_port())
        start("ui", "--port", port, "--api", api)
        pages = f"http://127.0.0.1:{port}"
        wait_until_answers(f"{pages}/_stcore/health", alive)
        yield Site(pages, api)
    except NotStarted as error:
        raise AssertionError(f"{error}:\n{log.read_text(encoding='utf-8')}") from error
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "ATTEST_HOME": str(home)}


def _announced(log: Path) -> str | None:
    found = re.search(r"API at (http://\S+)", log.read_text(encoding="utf-8"))
    return found[1] if found else None


def wait_until_answers(url: str, alive: Callable[[], bool]) -> None:
    """Wait until a URL answers 200, as long as whoever is to answer is alive."""

    def answers() -> str | None:
        try:
            return url if httpx.get(url, timeout=2.0, trust_env=False).status_code == 200 else None
        except httpx.TransportError:
            return None

    _wait(answers, alive)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(probe: Callable[[], str | None], alive: Callable[[], bool]) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and alive():
        if found := probe():
            return found
        time.sleep(0.2)
    raise NotStarted("it did not start in time, or ended")
