"""Secrets in addresses serve the request and are neither kept nor shown."""

from __future__ import annotations

import base64
import ipaddress
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.settings import IngestSettings
from ingest.addresses import without_secrets
from ingest.fetch import Fetcher
from ingest.remote import Missed, bring
from ingest.walk import Source

PLAIN = [
    "https://example.org/a?b=c#d",
    "https://example.org/@ana/post?x=1@2",
    "http://example.org:8080/Caf%C3%A9?tokens=3&significance=4",
    "abfss://box@account.dfs.core.windows.net/a.md",
    "s3://bucket/key@2",
]


@pytest.mark.parametrize("url", PLAIN)
def test_an_address_without_secrets_stays_as_it_is(url: str) -> None:
    assert without_secrets(url) == url


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://svc:geheim@example.org/a", "http://example.org/a"),
        ("HTTPS://svc@example.org:8443/a?b=@", "HTTPS://example.org:8443/a?b=@"),
        ("http://svc:ge:h@im@example.org", "http://example.org"),
        ("ftp://svc:geheim@example.org/a", "ftp://example.org/a"),
        ("https://x.blob.example/a.md?sv=2&sig=geheim%3D&se=3", "https://x.blob.example/a.md?sv=2&sig=***&se=3"),
        (
            "https://b.example/a?X-Amz-Date=1&X-Amz-Signature=geheim",
            "https://b.example/a?X-Amz-Date=1&X-Amz-Signature=***",
        ),
        ("https://b.example/a?x-goog-signature=geheim#top", "https://b.example/a?x-goog-signature=***#top"),
        ("https://b.example/a?token=geheim", "https://b.example/a?token=***"),
        ("http://a:geheim@b.example/x answered 401", "http://b.example/x answered 401"),
    ],
)
def test_secrets_are_left_out(url: str, kept: str) -> None:
    assert without_secrets(url) == kept


@pytest.mark.parametrize("part", ["x", "a:", "a://", "http://", "?sig", "http://a:"])
def test_an_address_of_any_length_is_told_at_once(part: str) -> None:
    began = time.thread_time()
    without_secrets(part * 100_000 + "://")
    assert time.thread_time() - began < 2  # seconds; looking again from every character would take minutes


class Locked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        expected = "Basic " + base64.b64encode(b"svc:geheim").decode()
        allowed = self.path != "/closed?sig=geheim" and self.headers.get("Authorization") == expected
        self.send_response(200 if allowed and self.path != "/robots.txt" else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>Words.</p>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    local = ipaddress.ip_address("127.0.0.1")
    monkeypatch.setattr("ingest.fetch.Fetcher", partial(Fetcher, allowed=lambda address: address == local))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Locked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_password_opens_the_page_and_is_not_kept(site: str, tmp_path: Path) -> None:
    urls = [f"http://svc:geheim@{site}/open?sig=geheim", f"http://svc:geheim@{site}/closed?sig=geheim"]
    had, missed = bring(urls, tmp_path, IngestSettings(allow_urls=True))
    assert isinstance(had, Source)
    assert isinstance(missed, Missed)
    assert had.path.read_bytes() == b"<p>Words.</p>"
    assert [had.source, missed.source.source] == [f"http://{site}/open?sig=***", f"http://{site}/closed?sig=***"]
    assert str(missed.error) == f"http://{site}/closed?sig=*** answered 404"
    assert "geheim" not in repr((had, missed))
