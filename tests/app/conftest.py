from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import httpx
import pytest
import uvicorn

from app.keys import create_key
from app.runtime import Runtime, open_runtime
from app.serve import listen
from app.server import create_app
from core.db.grants import add_member
from core.settings import GenerationSettings, RailSettings, Settings
from tests.conftest import KnowledgeBase

NO_RAILS = RailSettings(enabled=False)
"""The rails have tests of their own; here each would cost a model's pass on every question."""
ROLES = ("operator", "ana", "hana", "stranger")


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """Readers held up on a busy machine are not taken for gone."""
    with patch("app.streams.RESUME_S", 60.0):
        yield


@dataclass(frozen=True)
class Api:
    """A server on an ephemeral port, over a knowledge base of its own."""

    url: str
    runtime: Runtime
    ids: dict[str, str]
    keys: dict[str, str]

    def client(self, role: str | None = None, **options: object) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, **options)  # type: ignore[arg-type]


@contextmanager
def serving(settings: Settings, ids: dict[str, str], keys: dict[str, str] | None = None) -> Iterator[Api]:
    """Serve a home for the length of the block and wait until it is ready."""
    app = create_app(settings)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    api = Api(f"http://127.0.0.1:{listener.getsockname()[1]}", app.state.runtime, ids, keys or {})
    try:
        with api.client() as client:
            _wait_ready(client)
        yield api
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive(), "the server did not shut down"


def copied(base: KnowledgeBase, home: object, **sections: object) -> Settings:
    """Copy a knowledge base and return the settings of the copy, without rails."""
    shutil.copytree(base.home, home)  # type: ignore[call-overload]
    return base.settings.model_copy(update={"home": home, "rails": NO_RAILS, **sections})


@pytest.fixture(scope="session")
def api(knowledge_base: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server without any key: whoever asks is the operator."""
    settings = copied(knowledge_base, tmp_path_factory.mktemp("open") / "home")
    with serving(settings, knowledge_base.ids) as api:
        yield api


@pytest.fixture(scope="session")
def keyed_api(knowledge_base: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with keys: the operator; ana, of the staff; hana, who may read salaries; a stranger."""
    settings = copied(knowledge_base, tmp_path_factory.mktemp("keyed") / "home")
    with open_runtime(settings, follow=False) as runtime, runtime.database.write() as session:
        keys = {"operator": create_key(session, None, operator=True).token}
        keys |= {name: create_key(session, f"user:{name}").token for name in ("ana", "hana", "stranger")}
        add_member(session, "user:ana", "group:staff")
    with serving(settings, knowledge_base.ids, keys) as api:
        yield api


@pytest.fixture
def runtime(own_knowledge_base: KnowledgeBase) -> Iterator[Runtime]:
    """The parts over a copy of the knowledge base that a test may change."""
    settings = own_knowledge_base.settings.model_copy(update={"rails": NO_RAILS})
    with open_runtime(settings, follow=False) as runtime:
        yield runtime


def with_model(settings: Settings, url: str, **more: object) -> Settings:
    """Return settings whose answers come from a model server."""
    generation = GenerationSettings(vllm_urls=(url,), timeout_s=60, retries=1, **more)  # type: ignore[arg-type]
    return settings.model_copy(update={"generation": generation})


def _wait_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if client.get("/readyz").status_code == 200:
            return
        time.sleep(0.1)
    raise AssertionError(f"not ready: {client.get('/readyz').text}")
