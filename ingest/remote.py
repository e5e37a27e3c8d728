"""Sources that are not on this machine, brought into a folder first: web addresses and fsspec URLs (S3 and so on)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import Forbidden, MissingExtra, SourceUnavailable
from core.settings import IngestSettings
from ingest.walk import Source


def is_remote(source: Path | str | Source) -> bool:
    """Tell whether a source names a place by URL."""
    return isinstance(source, str) and "://" in source


def bring(urls: Sequence[str], folder: Path, settings: IngestSettings) -> Iterator[Source]:
    """Yield a file for every page or object that some URLs name; the URL stays its source.

    Raises:
        Forbidden: the settings do not allow addresses, or one is not public.
        SourceUnavailable: a place cannot be reached.
    """
    for url in urls:
        if not settings.allow_urls:
            raise Forbidden("reading from addresses is off; set ingest.allow_urls = true to allow it")
        if url.startswith(("http://", "https://")):
            from ingest.fetch import Fetcher

            for page in Fetcher(folder, settings.max_file_mb).pages(url):
                yield Source(page.url, page.path, page.name)
        else:
            yield from _objects(url, folder)


def _objects(url: str, folder: Path) -> Iterator[Source]:
    try:
        import fsspec

        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingExtra("remote", f"the fsspec driver for {url.partition('://')[0]}") from error
    except ValueError as error:
        raise SourceUnavailable(f"{url}: {error}") from error
    try:
        names = [root] if system.isfile(root) else sorted(system.find(root))
        for number, name in enumerate(names):
            path = folder / f"object-{number:06d}"
            system.get_file(name, str(path))
            yield Source(str(system.unstrip_protocol(name)), path, str(name).rpartition("/")[2])
    except (OSError, PermissionError) as error:
        raise SourceUnavailable(f"{url} cannot be read: {error}") from error
