"""Addresses: what is inside our network is never asked, what is outside is read within limits."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.errors import Forbidden, SourceUnavailable, TooLarge, UnsupportedFormat
from core.settings import IngestSettings
from ingest.fetch import Fetcher, is_public
from ingest.patience import PAUSES_S, patiently
from ingest.remote import Missed, bring
from ingest.walk import LeftOut, Source

LOCAL = ipaddress.ip_address("127.0.0.1")


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        port = self.server.server_address[1]
        here = f"http://127.0.0.1:{port}"
        pages = {
            "/robots.txt": ("text/plain", b"User-agent: *\nDisallow: /private"),
            "/page": ("text/html", b"<h1>Page</h1><p>Words.</p>"),
            "/private/x": ("text/html", b"secret"),
            "/big": ("text/html", b"x" * 3 * 2**20),
            "/film": ("video/mp4", b"x"),
            "/sitemap.xml": (
                "application/xml",
                f"<urlset><url><loc>{here}/page</loc></url><url><loc>http://other.example/x</loc></url></urlset>".encode(),
            ),
        }
        moved = {"/moved": "/page", "/inward": "http://169.254.169.254/latest", "/round": "/round"}
        if self.path in moved:
            self.send_response(302)
            self.send_header("Location", moved[self.path])
            self.end_headers()
            return
        kind, body = pages.get(self.path, ("text/html", b""))
        self.send_response(200 if self.path in pages else 404)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path, max_mb=1, allowed=lambda address: address == LOCAL)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),
        *("::1", "fe80::1", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"),
    ],
)
def test_inner_addresses_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def test_outer_addresses_are_public() -> None:
    assert is_public(ipaddress.ip_address("93.184.216.34"))
    assert is_public(ipaddress.ip_address("2606:2800:220:1::1"))


def test_a_local_server_is_refused_by_default(site: str, tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        Fetcher(tmp_path, max_mb=1).fetch(f"{site}/page")
    with pytest.raises(Forbidden):
        Fetcher(tmp_path, max_mb=1).fetch(site.replace("127.0.0.1", "localhost") + "/page")


def test_pages_and_sitemaps_are_read(site: str, fetcher: Fetcher) -> None:
    assert fetcher.fetch(f"{site}/moved").path.read_bytes() == b"<h1>Page</h1><p>Words.</p>"
    assert [page.url for page in fetcher.pages(f"{site}/sitemap.xml")] == [f"{site}/page"]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/inward", Forbidden),
        ("/private/x", Forbidden),
        ("/big", TooLarge),
        ("/film", UnsupportedFormat),
        ("/round", SourceUnavailable),
        ("/missing", SourceUnavailable),
    ],
)
def test_limits_hold(site: str, fetcher: Fetcher, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        fetcher.fetch(site + path)


def test_addresses_are_off_until_the_settings_allow_them(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="allow_urls"):
        list(bring(["https://example.org"], tmp_path, IngestSettings()))


def test_any_fsspec_place_is_a_source(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/share/a.md", b"# A")
    memory.pipe("/share/deep/b.md", b"# B")
    memory.pipe("/share/.trash/c.md", b"# C")
    brought = list(bring(["memory://share"], tmp_path, IngestSettings(allow_urls=True)))
    assert [one for one in brought if isinstance(one, LeftOut)] == [LeftOut("memory:///share/.trash/c.md", "hidden")]
    found = [one for one in brought if isinstance(one, Source)]
    assert [(source.source, source.name) for source in found] == [
        ("memory:///share/a.md", "a.md"),
        ("memory:///share/deep/b.md", "b.md"),
    ]
    assert found[1].path.read_bytes() == b"# B"


def test_a_chain_of_schemes_does_not_lead_past_the_checks(tmp_path: Path) -> None:
    (missed,) = bring(["simplecache::http://127.0.0.1:1/"], tmp_path, IngestSettings(allow_urls=True))
    assert isinstance(missed, Missed)
    assert missed.error.kind == "InvalidInput"


def test_what_cannot_be_had_does_not_keep_out_the_rest(tmp_path: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/rest/a.md", b"# A")
    named = ["http://127.0.0.1:1/x", "memory://nowhere", "memory://rest"]
    found = list(bring(named, tmp_path, IngestSettings(allow_urls=True)))
    assert [one.error.kind for one in found if isinstance(one, Missed)] == ["Forbidden", "SourceUnavailable"]
    assert [one.source for one in found if isinstance(one, Source)] == ["memory:///rest/a.md"]


def test_trouble_that_passes_is_tried_again() -> None:
    troubles, pauses = [SourceUnavailable("busy"), SourceUnavailable("busy")], list[float]()

    def attempt() -> str:
        if troubles:
            raise troubles.pop()
        return "here"

    assert patiently(attempt, pauses.append) == "here"
    assert pauses == list(PAUSES_S)
    troubles += [SourceUnavailable("gone")] * 3
    with pytest.raises(SourceUnavailable):
        patiently(attempt, pauses.append)
