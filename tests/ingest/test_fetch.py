"""Addresses: what is inside our network is never asked, what is outside is read within limits."""

from __future__ import annotations

import ipaddress
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.errors import Forbidden, MissingExtra, SourceUnavailable, TooLarge, UnsupportedFormat
from core.settings import IngestSettings
from ingest.addresses import without_secrets
from ingest.fetch import Fetcher, Page, is_public
from ingest.patience import PAUSES_S, patiently
from ingest.remote import Missed, bring
from ingest.walk import LeftOut, Source

LOCAL = ipaddress.ip_address("127.0.0.1")


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        port = self.server.server_address[1]
        here = f"http://127.0.0.1:{port}"
        mark = b"\xef\xbb\xbf" if self.headers["Host"].startswith("localhost") else b""
        pages = {
            "/robots.txt": ("text/plain", mark + b"User-agent: *\nDisallow: /private"),
            "/notes": ("text/plain; charset=utf-8", b"a < b"),
            "/notes.md": ("text/plain", b"# A"),
            "/readme": ("text/markdown", b"# A"),
            "/index.php": ("text/html", b"<h1>A</h1>"),
            "/release/v1.2": ("text/html", b"<h1>A</h1>"),
            "/rates": ("application/json", b"{}"),
            "/untyped.md": ("", b"# A"),
            "/listed": ("text/xml", f"<urlset><url><loc>{here}/page</loc></url></urlset>".encode()),
            "/marked.xml": (
                "application/xml",
                f"<urlset><url><loc> <![CDATA[{here}/page]]> </loc></url></urlset>".encode(),
            ),
            "/bare.xml": ("application/xml", b"<urlset></urlset>"),
            "/page": ("text/html", b"<h1>Page</h1><p>Words.</p>"),
            "/private/x": ("text/html", b"secret"),
            "/big": ("text/html", b"x" * 3 * 2**20),
            "/film": ("video/mp4", b"x"),
            "/sitemap.xml": (
                "application/xml",
                f"<urlset><url><loc>{here}/page</loc></url><url><loc>http://other.example/x</loc></url></urlset>".encode(),
            ),
        }
        if self.path == "/same":
            self.send_response(304)
            self.end_headers()
            return
        index = "<sitemapindex>{}</sitemapindex>"
        if self.path.startswith(("/round", "/deep", "/twice")) and self.path.endswith(".xml"):
            round_about = {"/round.xml": ["round.xml", "twice.xml"], "/twice.xml": ["page", "page", "round.xml"]}
            deeper = [f"{self.path[1:-4]}x.xml", f"page?{self.path}"]
            named = round_about.get(self.path, deeper)
            listed = "".join(f"<sitemap><loc>{here}/{name}</loc></sitemap>" for name in named)
            pages[self.path] = ("application/xml", index.format(listed).encode())
        elif self.path.startswith("/page?"):
            pages[self.path] = pages["/page"]
        moved = {
            "/www.xml": f"{here}/listed",
            "/moved": "/page",
            "/inward": "http://169.254.169.254/latest",
            "/round": "/round",
        }
        if self.path in moved:
            self.send_response(302)
            self.send_header("Location", moved[self.path])
            self.end_headers()
            return
        kind, body = pages.get(self.path, ("text/html", b""))
        self.send_response(200 if self.path in pages else 404)
        if kind:
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
    other, page = fetcher.pages(f"{site}/sitemap.xml")
    assert other == LeftOut("http://other.example/x", "of another site than the sitemap")
    assert isinstance(page, Page)
    assert page.url == f"{site}/page"


def test_a_sitemap_that_was_moved_lists_pages_of_where_it_lies(site: str, tmp_path: Path) -> None:
    fetcher = Fetcher(tmp_path, max_mb=1, allowed=lambda address: address.is_loopback)
    found = list(fetcher.pages(f"{site.replace('127.0.0.1', 'localhost')}/www.xml"))
    assert [page.url for page in found if isinstance(page, Page)] == [f"{site}/page"]


@pytest.mark.parametrize("path", ["/listed", "/marked.xml"])
def test_a_sitemap_is_known_by_what_it_is_and_its_addresses_however_written(
    site: str, fetcher: Fetcher, path: str
) -> None:
    assert [page.url for page in fetcher.pages(site + path) if isinstance(page, Page)] == [f"{site}/page"]


def test_a_sitemap_without_pages_is_told(site: str, fetcher: Fetcher) -> None:
    ((url, error),) = fetcher.pages(f"{site}/bare.xml")  # type: ignore[misc]
    assert (url, error.kind) == (f"{site}/bare.xml", "EmptyDocument")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/page", "page.html"),
        ("/notes", "notes.txt"),
        ("/notes.md", "notes.md"),
        ("/readme", "readme.md"),
        ("/index.php", "index.php.html"),
        ("/release/v1.2", "v1.2.html"),
        ("/rates", "rates.json"),
        ("/untyped.md", "untyped.md"),
    ],
)
def test_a_page_is_read_as_what_the_server_says_that_it_is(site: str, fetcher: Fetcher, path: str, name: str) -> None:
    assert fetcher.fetch(site + path).name == name


def test_an_answer_that_leads_nowhere_is_told_as_what_it_is(site: str, fetcher: Fetcher) -> None:
    with pytest.raises(SourceUnavailable, match="answered 304"):
        fetcher.fetch(f"{site}/same")


def test_a_robots_file_with_a_mark_at_its_head_is_obeyed(site: str, tmp_path: Path) -> None:
    host = site.replace("127.0.0.1", "localhost")
    with pytest.raises(Forbidden):
        Fetcher(tmp_path, max_mb=1, allowed=lambda address: address.is_loopback).fetch(f"{host}/private/x")


def test_an_index_of_sitemaps_that_lists_itself_comes_to_an_end(site: str, fetcher: Fetcher) -> None:
    found = list(fetcher.pages(f"{site}/round.xml"))
    assert [page.url for page in found if isinstance(page, Page)] == [f"{site}/page"]
    assert len(found) == 1


def test_indexes_of_indexes_without_end_stop_at_a_limit(
    site: str, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.fetch.MAX_PAGES", 20)
    found = list(fetcher.pages(f"{site}/deep.xml"))
    assert 0 < len([page for page in found if isinstance(page, Page)]) <= 20
    reasons = [str(one[1]) for one in found if not isinstance(one, Page)]
    assert len(reasons) == 1
    assert "20" in reasons[0]


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


def test_a_store_is_a_source(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::http://127.0.0.1:1/",
        "zip://o.txt::simplecache::http://127.0.0.1:1/o.zip",
        "memory://o.txt::http://127.0.0.1:1/",
        *("ftp://127.0.0.1/x", "zip://x", "sftp://127.0.0.1/x", "github://a:b@c/d", "nonsense://x"),
    ],
)
def test_neither_a_chain_nor_another_scheme_leads_past_the_checks(tmp_path: Path, url: str) -> None:
    (missed,) = bring([url], tmp_path, IngestSettings(allow_urls=True))
    assert isinstance(missed, Missed)
    assert (missed.source.source, missed.error.kind) == (without_secrets(url), "InvalidInput")


def test_a_folder_named_by_a_url_is_read_by_the_rules_of_one_that_is_not(tmp_path: Path) -> None:
    share, folder = tmp_path / "share", tmp_path / "folder"
    for made in (share / "home", folder):
        made.mkdir(parents=True)
    (share / os.fsdecode(b"caf\xe9.txt")).write_text("Words.")
    (share / "home" / "kept").write_text("What was deleted.")
    (tmp_path / "outer.txt").write_text("Words from elsewhere.")
    (share / "out.txt").symlink_to(tmp_path / "outer.txt")
    os.mkfifo(share / "pipe")
    found = list(bring([f"file://{share}"], folder, IngestSettings(allow_urls=True), share / "home"))
    assert [(one.source, one.name) for one in found if isinstance(one, Source)] == [
        (rf"file://{share}/caf\xe9.txt", r"caf\xe9.txt")
    ]
    assert [one for one in found if isinstance(one, LeftOut)] == [
        LeftOut(f"file://{share}/home/kept", "the data folder of Attest itself"),
        LeftOut(f"file://{share}/out.txt", "a link that leads out of the folder"),
        LeftOut(f"file://{share}/pipe", "no file: a pipe, a socket or a device"),
    ]


def test_what_a_driver_raises_of_its_own_is_a_source_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no credentials")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.isfile", refuse)
    (missed,) = bring(["memory://share"], tmp_path, IngestSettings(allow_urls=True))
    assert isinstance(missed, Missed)
    assert missed.error.kind == "SourceUnavailable"


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


def test_a_driver_that_is_not_installed_is_named_as_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtra, match=r"^s3fs is not installed. Install it with: pip install s3fs$"):
        list(bring(["s3://bucket/key"], tmp_path, IngestSettings(allow_urls=True)))
