"""`attest ui` shows the pages to other machines only where the API wants a key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.ui_cli import require_key_of_api
from core.errors import Forbidden


@contextmanager
def api(status: int) -> Iterator[str]:
    """Serve one status for every request on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"principal": "public", "operator": true, "groups": []}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_pages_for_other_machines_need_an_api_with_keys() -> None:
    with api(200) as keyless:
        require_key_of_api("127.0.0.1", keyless)
        with pytest.raises(Forbidden, match="keys create"):
            require_key_of_api("0.0.0.0", keyless)
    with api(401) as keyed:
        require_key_of_api("0.0.0.0", keyed)


def test_an_api_of_this_machine_that_cannot_be_asked_is_not_trusted() -> None:
    with pytest.raises(Forbidden, match="cannot be asked"):
        require_key_of_api("0.0.0.0", "http://127.0.0.1:9")


def test_an_api_elsewhere_wants_keys_by_itself() -> None:
    require_key_of_api("0.0.0.0", "http://api:8000")
