"""Sources that are not on this machine, brought into a folder first: web addresses and fsspec URLs (S3 and so on)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import AttestError, Forbidden, InvalidInput, MissingExtra, SourceUnavailable, TooLarge
from core.settings import IngestSettings
from ingest.names import why_no_member
from ingest.patience import patiently
from ingest.walk import LeftOut, Source


def is_remote(source: Path | str | Source) -> bool:
    """Tell whether a source names a place by URL."""
    return isinstance(source, str) and "://" in source


@dataclass(frozen=True, slots=True)
class Missed:
    """A page or object that was named and could not be had."""

    source: Source
    error: AttestError


def bring(urls: Sequence[str], folder: Path, settings: IngestSettings) -> Iterator[Source | Missed | LeftOut]:
    """Yield a file for every page or object that some URLs name; the URL stays its source.

    Of what lies below a URL the same is left out as of a folder.

    Raises:
        Forbidden: the settings do not allow addresses.
    """
    if urls and not settings.allow_urls:
        raise Forbidden("reading from addresses is off; set ingest.allow_urls = true to allow it")
    for url in urls:
        try:
            if "::" in url.partition("://")[0]:  # fsspec would lead a chain of schemes past our checks
                raise InvalidInput(f"{url} is a chain of addresses; name the last one alone")
            if url.lower().startswith(("http://", "https://")):
                yield from _pages(url, folder, settings)
            else:
                yield from _objects(url, folder, settings)
        except MissingExtra:
            raise
        except AttestError as error:
            yield _missed(url, error)


def _missed(url: str, error: AttestError) -> Missed:
    return Missed(Source(url, Path(), url.rstrip("/").rpartition("/")[2]), error)


def _pages(url: str, folder: Path, settings: IngestSettings) -> Iterator[Source | Missed]:
    from ingest.fetch import Fetcher, Page

    for found in Fetcher(folder, settings.max_file_mb).pages(url):
        yield Source(found.url, found.path, found.name) if isinstance(found, Page) else _missed(*found)


def _objects(url: str, folder: Path, settings: IngestSettings) -> Iterator[Source | Missed | LeftOut]:
    try:
        import fsspec

        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingExtra("remote", f"the fsspec driver for {url.partition('://')[0]}") from error
    except ValueError as error:
        raise SourceUnavailable(f"{url}: {error}") from error
    try:
        found = {root: system.info(root)} if system.isfile(root) else system.find(root, detail=True)
    except OSError as error:
        raise SourceUnavailable(f"{url} cannot be read: {error}") from error
    if not found:
        raise SourceUnavailable(f"{url} holds nothing, or is not there")
    for number, (name, info) in enumerate(sorted(found.items())):
        path, full = folder / f"object-{number:06d}", str(system.unstrip_protocol(name))
        reason = why_no_member(str(name).removeprefix(str(root)))
        if reason is not None:
            yield LeftOut(full, reason)
            continue
        try:
            if (info.get("size") or 0) > settings.max_file_mb * 2**20:
                raise TooLarge(f"the object is larger than {settings.max_file_mb} MB (ingest.max_file_mb)")
            patiently(partial(_get, system, name, path))
            yield Source(full, path, str(name).rpartition("/")[2])
        except AttestError as error:
            yield _missed(full, error)


def _get(system: Any, name: str, path: Path) -> None:
    try:
        system.get_file(name, str(path))
    except OSError as error:
        raise SourceUnavailable(f"the object cannot be read: {error}") from error
