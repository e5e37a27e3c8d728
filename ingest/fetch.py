"""Pages from the web, one address at a time, when the settings allow it: never an address inside our own network.

Each name is resolved once, every address it has is checked, and the connection goes to the address that was checked;
a redirect is a new address. Size, time, type and the site's robots file are respected.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpx

from core.errors import (
    AttestError,
    EmptyDocument,
    Forbidden,
    InvalidInput,
    SourceUnavailable,
    TooLarge,
    UnsupportedFormat,
)
from ingest.patience import patiently
from ingest.walk import LeftOut

AGENT = "attest"
MAX_REDIRECTS = 5
MAX_PAGES = 50_000
"""Of one address: an index of sitemaps may list others without end."""
TIMEOUT_S = 20.0
_TYPES = (
    *("text/", "application/pdf", "application/xhtml", "application/xml", "application/json"),
    *("application/vnd.", "application/msword", "application/rtf"),
)

_ENDINGS = {
    **{"text/html": ".html", "application/xhtml+xml": ".xhtml", "text/markdown": ".md", "text/csv": ".csv"},
    **{"application/json": ".json", "application/xml": ".xml", "text/xml": ".xml"},
}
"""How the names of texts end that are read otherwise than plain text; an address that ends so keeps its ending."""

_PASSING = (408, 425, 429)
"""What a server answers that may answer otherwise soon."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Tell whether an address is on the open internet: not private, link-local, loopback, metadata or a mapped one."""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is not None and not is_public(inner):
        return False
    if address.version == 6 and address in ipaddress.ip_network("64:ff9b::/96"):
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast and not address.is_reserved


@dataclass(frozen=True, slots=True)
class Page:
    """What an address gave."""

    url: str
    path: Path
    name: str
    final: str
    """The address it was moved to, or its own."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """The last address of a page that was written, and what the server calls it."""

    url: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Refused:
    """An answer that asking again at once would not change."""

    status: int


class Fetcher:
    """Fetches pages into a folder."""

    def __init__(self, folder: Path, max_mb: int, allowed: Callable[[Address], bool] = is_public) -> None:
        self._folder, self._limit, self._allowed = folder, max_mb * 2**20, allowed
        self._robots: dict[str, RobotFileParser] = {}
        self._count = 0

    def pages(self, url: str) -> Iterator[Page | LeftOut | tuple[str, AttestError]]:
        """Yield the page of an address, or those a sitemap lists on its own site, or why one of those was not had.

        Its site is where it was asked for and where that led to: many an address only leads to one with `www.`.

        Raises:
            Forbidden: the address, or one it leads to, is not public, or the site's robots file says no.
            SourceUnavailable: it cannot be reached.
        """
        sites, cut = {urlsplit(url).netloc}, False
        waiting, seen = [url], {url}
        while waiting:
            location = waiting.pop()
            try:
                page = self.fetch(location)
            except AttestError as error:
                if location == url:
                    raise
                yield location, error
                continue
            listed = _sitemap(page.path.read_bytes()[:5_000_000]) if page.name.endswith(".xml") else None
            if listed is None:
                yield page
                continue
            if not listed:
                yield location, EmptyDocument("the sitemap lists no pages")
            if location == url:
                sites.add(urlsplit(page.final).netloc)
            new = [one for one in dict.fromkeys(listed) if one not in seen and urlsplit(one).netloc in sites]
            elsewhere = [one for one in dict.fromkeys(listed) if urlsplit(one).netloc not in sites]
            yield from (LeftOut(one, "of another site than the sitemap") for one in elsewhere)
            room = MAX_PAGES - len(seen)
            cut = cut or len(new) > room
            seen.update(new[:room])
            waiting += reversed(new[:room])
        if cut:
            yield url, TooLarge(f"{url} lists more than {MAX_PAGES} pages; the rest was not read")

    def fetch(self, url: str) -> Page:
        """Fetch one address into the folder."""
        if not self._permitted(url):
            raise Forbidden(f"the robots file of {urlsplit(url).netloc} does not allow {url}")
        self._count += 1
        path = self._folder / f"{self._count:06d}"
        arrived = self._get(url, path)
        return Page(url, path, _name(arrived), arrived.url)

    def _permitted(self, url: str) -> bool:
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            robots = RobotFileParser()
            path = self._folder / "robots.txt"
            try:
                self._get(f"{site}/robots.txt", path)
                robots.parse(path.read_text(encoding="utf-8-sig", errors="replace").splitlines())
            except (SourceUnavailable, UnsupportedFormat):
                robots.parse([])
            self._robots[site] = robots
        return self._robots[site].can_fetch(AGENT, url)

    def _get(self, url: str, target: Path) -> _Arrived:
        """Follow redirects by hand, each address checked anew, and write the body."""
        for _ in range(MAX_REDIRECTS + 1):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InvalidInput(f"not a web address: {url}")
            address = self._resolve(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
            moved = patiently(partial(self._request, url, parts.hostname, address, target))
            if isinstance(moved, _Refused):
                raise SourceUnavailable(f"{url} answered {moved.status}")
            if isinstance(moved, _Arrived):
                return moved
            url = urljoin(url, moved)
        raise SourceUnavailable(f"{url} redirects more than {MAX_REDIRECTS} times")

    def _resolve(self, host: str, port: int) -> Address:
        try:
            found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except OSError as error:
            raise SourceUnavailable(f"{host} cannot be resolved") from error
        addresses = [ipaddress.ip_address(text.split("%")[0]) for text in sorted(found)]
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise Forbidden(f"{host} is not an address on the open internet")
        return addresses[0]

    def _request(self, url: str, host: str, address: Address, target: Path) -> str | _Refused | _Arrived:
        """Ask the checked address for a page; return where it moved, a refusal, or what was written."""
        pinned = httpx.URL(url).copy_with(host=str(address))
        headers = {"Host": urlsplit(url).netloc.rpartition("@")[2], "User-Agent": AGENT}
        deadline = time.monotonic() + TIMEOUT_S
        try:
            with (
                httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client,
                client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as response,
            ):
                if response.has_redirect_location:
                    return str(response.headers.get("location", ""))
                if response.status_code != 200:
                    if response.status_code in _PASSING or response.status_code >= 500:
                        raise SourceUnavailable(f"{url} answered {response.status_code}")
                    return _Refused(response.status_code)
                kind = response.headers.get("content-type", "").lower()
                if kind and not kind.startswith(_TYPES):
                    raise UnsupportedFormat(f"{url} is {kind}: not read from an address; save it and name the file")
                self._write(response.iter_bytes(), target, url, deadline)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"{url} cannot be read: {error}") from error
        return _Arrived(url, kind.partition(";")[0].strip())

    def _write(self, pieces: Iterator[bytes], target: Path, url: str, deadline: float) -> None:
        size = 0
        with target.open("wb") as file:
            for piece in pieces:
                size += len(piece)
                if size > self._limit:
                    raise TooLarge(f"{url} is larger than {self._limit // 2**20} MB")
                if time.monotonic() > deadline:
                    raise SourceUnavailable(f"{url} took longer than {TIMEOUT_S:g} s")
                file.write(piece)


def _name(arrived: _Arrived) -> str:
    """Return a name by whose ending a page is read as what the server says that it is: addresses end in anything."""
    name = urlsplit(arrived.url).path.rpartition("/")[2] or "index"
    if Path(name).suffix.lower() in _ENDINGS.values():
        return name
    if arrived.kind in _ENDINGS:
        return name + _ENDINGS[arrived.kind]
    plain = arrived.kind == "text/plain"
    return name if "." in name else f"{name}{'.txt' if plain else '.html'}"


def _sitemap(content: bytes) -> list[str] | None:
    """Return the addresses in a sitemap or an index of sitemaps, `None` where the content is neither.

    It is read with patterns, not with an XML parser: parsers of what strangers wrote run in the sandbox only.
    """
    import re

    if b"<urlset" not in content[:4096] and b"<sitemapindex" not in content[:4096]:
        return None
    found = re.findall(rb"<loc>\s*(?:<!\[CDATA\[\s*)?([^<\s\]]+)\s*(?:\]\]>\s*)?</loc>", content)
    return [item.decode("utf-8", "replace").replace("&amp;", "&") for item in found]
